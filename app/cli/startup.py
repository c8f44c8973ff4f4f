"""Starting the service and migrating its tables, once Postgres answers."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Iterable
from ipaddress import IPv4Network, ip_network
from typing import Any

import structlog
import uvicorn
from tenacity import (
    AsyncRetrying,
    RetryCallState,
    Retrying,
    retry_if_exception,
    stop_after_delay,
    wait_fixed,
)

from app.domain.refusals import Refused
from app.logs import configure_logs
from app.settings import PREFIX, DatabaseSettings, Settings, SettingsError, load
from app.storage.postgres.outages import Misconfigured
from app.wiring import blaming, open_service

_log = structlog.get_logger()


def serve(host: str, port: int, workers: int) -> None:
    """Wait for Postgres, then run uvicorn until a signal stops it."""
    settings = load(Settings)
    configure_logs(settings.log_format, settings.log_level)
    asyncio.run(_wait_for_postgres(settings))
    _refuse_taken_port(host, port)
    if "password_hash_threads" not in settings.model_fields_set:
        # The workers share the threads that one process would use by default. Each worker needs one.
        share = max(1, settings.password_hash_threads // workers)
        os.environ[f"{PREFIX}PASSWORD_HASH_THREADS"] = str(share)
    # After an orderly stop uvicorn raises the signal again.
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


def migrate() -> None:
    """Wait for Postgres, then migrate the tables to this release."""
    from app.storage.postgres import migrations

    settings = load(DatabaseSettings)
    configure_logs("console", output="stderr")
    with blaming("AUTH_DATABASE_URL"):
        config = migrations.alembic_config(settings.database_url, through_pooler=settings.through_pooler)
    found, newest = Retrying(**_retry_policy(settings))(migrations.migrate, config)
    if found is None:
        print(f"the tables are made: revision {newest}")
    elif found == newest:
        print(f"nothing to do: the tables have revision {newest}")
    else:
        print(f"the tables are migrated: from revision {found} to {newest}")


def _mapped(networks: Iterable[str]) -> list[str]:
    """Return IPv4 networks as a dual-stack socket reports them (RFC 4291 section 2.5.5.2)."""
    parsed = [network for network in map(ip_network, networks) if isinstance(network, IPv4Network)]
    return [f"::ffff:{network.network_address}/{96 + network.prefixlen}" for network in parsed]


def _refuse_taken_port(host: str, port: int) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        socket.create_server((host, port), family=family).close()
    except OSError as error:
        raise SettingsError(f"cannot listen on {host}:{port}: {os.strerror(error.errno or 0)}") from None


async def _wait_for_postgres(settings: Settings) -> None:
    """Return once Postgres answers, has the tables of this release, and holds keys."""
    async with open_service(settings) as service:
        await AsyncRetrying(**_retry_policy(settings))(service.database.ping)
        await AsyncRetrying(**_retry_policy(settings))(service.keys.load)


def _retry_policy(settings: DatabaseSettings) -> dict[str, Any]:
    """Retry while Postgres does not answer. After AUTH_STARTUP_TIMEOUT the last error is raised."""
    return {
        "retry": retry_if_exception(
            lambda error: isinstance(error, Refused) and not isinstance(error, Misconfigured)
        ),
        "stop": stop_after_delay(settings.startup_timeout),
        "wait": wait_fixed(0.5),
        "before_sleep": _log_first_attempt,
        "reraise": True,
    }


def _log_first_attempt(state: RetryCallState) -> None:
    if state.attempt_number == 1:
        _log.warning("postgres.awaited", variable="AUTH_DATABASE_URL")
