"""``dev``, ``serve`` and ``migrate``."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Iterable
from ipaddress import IPv4Network, ip_network
from pathlib import Path
from typing import Annotated, Any

import structlog
import typer
import uvicorn
from tenacity import (
    AsyncRetrying,
    RetryCallState,
    Retrying,
    retry_if_exception,
    stop_after_delay,
    wait_fixed,
)

import app.dev
from app.domain.refusals import Refused
from app.logs import configure_logs
from app.settings import PREFIX, DatabaseSettings, Settings, SettingsError, load
from app.storage.postgres.outages import Misconfigured
from app.wiring import blaming, open_service

_log = structlog.get_logger()

Port = Annotated[int, typer.Option(min=1, max=65535, help="TCP port.")]


def dev(
    port: Port = 8000,
    folder: Annotated[Path, typer.Option(help="Where the data is kept.")] = Path(".data"),
) -> None:
    """Run everything on this machine: private Postgres and Valkey, a demo account, the service."""
    raise typer.Exit(app.dev.run(folder, port=port))


def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Port = 8000,
    workers: Annotated[int, typer.Option(min=1, max=64, help="Processes.")] = 1,
) -> None:
    """Run the service; waits for Postgres (AUTH_STARTUP_TIMEOUT) before it gives up."""
    settings = load(Settings)
    configure_logs(settings.log_format)
    asyncio.run(_wait(settings))
    _refuse_taken(host, port)
    if "password_hash_threads" not in settings.model_fields_set:
        # The workers share what one process would use by default; each needs one.
        share = max(1, settings.password_hash_threads // workers)
        os.environ[f"{PREFIX}PASSWORD_HASH_THREADS"] = str(share)
    # uvicorn raises the signal once more when it has stopped as it should.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    uvicorn.run(
        "app.main:create_app",
        factory=True,
        host=host,
        port=port,
        workers=workers,
        http="app.server.protocol:BoundedProtocol",
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=[*settings.trusted_proxies, *_mapped(settings.trusted_proxies)],
        timeout_keep_alive=75,
        timeout_graceful_shutdown=8,
    )


def _mapped(networks: Iterable[str]) -> list[str]:
    """How IPv4 networks look from a socket that serves both kinds (RFC 4291 section 2.5.5.2)."""
    parsed = [network for network in map(ip_network, networks) if isinstance(network, IPv4Network)]
    return [f"::ffff:{network.network_address}/{96 + network.prefixlen}" for network in parsed]


def _refuse_taken(host: str, port: int) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        socket.create_server((host, port), family=family).close()
    except OSError as error:
        raise SettingsError(f"cannot listen on {host}:{port}: {os.strerror(error.errno or 0)}") from None


def migrate() -> None:
    """Bring the tables up to date; waits for Postgres, and may run from several replicas at once."""
    from app.storage.postgres import migrations  # noqa: PLC0415 - Alembic alone loads for a quarter of a second

    settings = load(DatabaseSettings)
    configure_logs("console", sys.stderr)
    with blaming("AUTH_DATABASE_URL"):
        config = migrations.alembic_config(settings.database_url)
    Retrying(**_patience(settings))(migrations.migrate, config)


async def _wait(settings: Settings) -> None:
    """Come back once Postgres answers and holds keys."""
    async with open_service(settings) as service:
        await AsyncRetrying(**_patience(settings))(service.keys.load)


def _patience(settings: DatabaseSettings) -> dict[str, Any]:
    """Try again while Postgres does not answer; what it answered last is raised when that takes too long."""
    return {
        "retry": retry_if_exception(
            lambda error: isinstance(error, Refused) and not isinstance(error, Misconfigured)
        ),
        "stop": stop_after_delay(settings.startup_timeout),
        "wait": wait_fixed(0.5),
        "before_sleep": _say,
        "reraise": True,
    }


def _say(state: RetryCallState) -> None:
    if state.attempt_number == 1:
        _log.warning("postgres.awaited", variable="AUTH_DATABASE_URL")
