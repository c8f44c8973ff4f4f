"""Starting the service and migrating its tables, once Postgres answers."""

import asyncio
from collections.abc import Iterable
from ipaddress import IPv4Network, ip_network
from socket import socket
from typing import Any
from urllib.parse import urlsplit

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

from app.cli.failures import reported
from app.domain.refusals import Refused, Unavailable
from app.logs import configure_logs, flush_logs
from app.server.connections import ConnectionLimits
from app.server.orders import Orders
from app.server.sockets import most_connections
from app.server.worker import Worker
from app.settings import DatabaseSettings, Settings, load
from app.storage.postgres.outages import Misconfigured
from app.storage.postgres.urls import parse_url
from app.wiring import blaming, open_service

_log = structlog.get_logger()


def work(orders: Orders, sockets: list[socket]) -> None:
    """Be a worker: wait for Postgres, then serve until the parent's order or end."""
    try:
        with reported():
            _serve(orders, sockets)
    finally:
        flush_logs()


def _serve(orders: Orders, sockets: list[socket]) -> None:
    settings = load(Settings)
    configure_logs(settings.log_format, settings.log_level)
    asyncio.run(_wait_for_postgres(settings))
    config = uvicorn.Config(
        "app.main:create_app",
        factory=True,
        http="app.server.protocol:BoundedProtocol",
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=[*settings.trusted_proxies, *_mapped(settings.trusted_proxies)],
        timeout_keep_alive=settings.keep_alive.total_seconds(),  # type: ignore[arg-type] # a delay
        timeout_graceful_shutdown=8,
    )
    limits = ConnectionLimits(
        most_connections(settings.connections), settings.connections_per_address, settings.trusted_proxies
    )
    Worker(config, limits, orders, _facts(settings)).run(sockets)


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


def _facts(settings: Settings) -> dict[str, str]:
    """Where Postgres and Redis are, without user, password and options."""
    postgres = parse_url(settings.database_url)
    hosts = ",".join(host if host.startswith("/") else f"{host}:{port}" for host, port in postgres.hosts)
    redis = urlsplit(settings.redis_url)
    return {
        "postgres": f"{hosts}/{postgres.database or postgres.user or ''}",
        "redis": f"{redis.netloc.rpartition('@')[2]}{redis.path}",
    }


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
        error = state.outcome.exception() if state.outcome else None
        reason = error.reason if isinstance(error, Unavailable) else None
        _log.warning("postgres.awaited", variable="AUTH_DATABASE_URL", reason=reason)
