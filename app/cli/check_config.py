"""``check-config``: checks the settings and their servers, or a running deployment."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from typing import Annotated

import typer

from app.cli.doctor.findings import Finding, Level, format_findings
from app.cli.options import Json, loading, run

_now = partial(datetime.now, UTC)


def _address(url: str) -> str:
    from app.settings.values import web_address

    try:
        return web_address(url)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def check_config(
    *,
    url: Annotated[
        str | None,
        typer.Option(parser=_address, metavar="URL", help="Check the deployment at this address."),
    ] = None,
    insecure: Annotated[bool, typer.Option("--insecure", help="Accept a test certificate.")] = False,
    as_json: Json = False,
) -> None:
    """Check the settings, their servers, and what browsers and verifiers do with them.

    The exit status is 1 if something fails or is unsafe.

    With --url it needs no settings: it sends requests to a deployment, and checks what its proxy changes.
    """
    findings = _check_settings() if url is None else _check_deployment(url, insecure=insecure)
    if as_json:
        print(json.dumps([asdict(finding) for finding in findings], indent=2))
    else:
        print(format_findings(findings))
    if any(finding.level is Level.PROBLEM for finding in findings):
        raise typer.Exit(1)


def _check_settings() -> Sequence[Finding]:
    with loading():
        from app.cli.doctor.environment import check_settings
        from app.cli.doctor.servers import check_servers
        from app.settings import Settings, load

    settings = load(Settings)
    return [
        *check_settings(settings),
        *run(lambda service: check_servers(service, settings.leeway, _now)),
    ]


def _check_deployment(url: str, *, insecure: bool) -> Sequence[Finding]:
    with loading():
        import asyncio

        from app.cli.doctor.client import open_client
        from app.cli.doctor.deployment import check_deployment
        from app.settings import PREFIX, variable

    async def check() -> list[Finding]:
        issuer = variable(f"{PREFIX}ISSUER")
        async with open_client(url.rstrip("/"), insecure=insecure) as client:
            return await check_deployment(client, url, insecure=insecure, expected_issuer=issuer, clock=_now)

    return asyncio.run(check())
