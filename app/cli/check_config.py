"""``check-config``: what the settings name, or a running deployment, looked at."""

import asyncio
import json
import os
from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated

import typer

from app.cli.doctor.findings import Finding, Level, in_words
from app.cli.running import Json, run
from app.settings import PREFIX, Settings, load
from app.settings.values import web_address
from app.wiring import utc_now


def _base(url: str) -> str:
    try:
        return web_address(url).rstrip("/")
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def check_config(
    *,
    url: Annotated[
        str | None,
        typer.Option(parser=_base, metavar="URL", help="Ask the deployment at this address, as browsers do."),
    ] = None,
    insecure: Annotated[bool, typer.Option("--insecure", help="Take a test certificate.")] = False,
    as_json: Json = False,
) -> None:
    """Say what browsers and verifiers do with these settings; exit status 1 if something fails or is unsafe.

    With --url it needs no settings: it asks a running deployment, and looks at what its proxy lets through.
    """
    findings = _of_settings() if url is None else _of_deployment(url, insecure=insecure)
    print(json.dumps([asdict(finding) for finding in findings], indent=2) if as_json else in_words(findings))
    if any(finding.level is Level.PROBLEM for finding in findings):
        raise typer.Exit(1)


def _of_settings() -> Sequence[Finding]:
    from app.cli.doctor import environment, servers  # noqa: PLC0415 - Alembic loads for a quarter of a second

    settings = load(Settings)
    return [
        *environment.judged(settings),
        *run(lambda service: servers.looked_at(service, settings.leeway, utc_now)),
    ]


def _of_deployment(url: str, *, insecure: bool) -> Sequence[Finding]:
    from app.cli.doctor import asking, deployment  # noqa: PLC0415 - as above, for the HTTP client

    async def ask() -> list[Finding]:
        expected = os.environ.get(f"{PREFIX}ISSUER") or None
        async with asking.opened(url, insecure=insecure) as asker:
            return await deployment.looked_at(asker, insecure=insecure, expected=expected, clock=utc_now)

    return asyncio.run(ask())
