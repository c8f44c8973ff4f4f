"""A worker of ``serve``: waits for Postgres, then serves."""

import asyncio
from collections.abc import Iterable
from ipaddress import IPv4Network, ip_network
from socket import socket
from urllib.parse import urlsplit

import uvicorn
from tenacity import AsyncRetrying

from app.cli.failures import reported
from app.cli.retries import retry_policy
from app.logs import configure_logs, flush_logs
from app.main import application
from app.server.connection_limits import ConnectionLimits
from app.server.orders import Orders
from app.server.sockets import most_connections
from app.server.websockets import LONGEST_MESSAGE, BoundedWebSocket
from app.server.worker import Worker
from app.settings import Settings, load
from app.storage.postgres.urls import parse_url
from app.wiring import Service, open_service


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
    service = open_service(settings)
    worker = _worker(settings, service, orders)

    async def wait_and_serve() -> None:
        async with service:
            await _wait_for_postgres(service, settings)
            await worker.serve(sockets)

    with asyncio.Runner(loop_factory=worker.config.get_loop_factory()) as runner:
        runner.run(wait_and_serve())


def _worker(settings: Settings, service: Service, orders: Orders) -> Worker:
    config = uvicorn.Config(
        application(settings, service),
        http="app.server.protocol:BoundedProtocol",
        ws=BoundedWebSocket if settings.events else "none",
        ws_max_size=LONGEST_MESSAGE,
        ws_per_message_deflate=False,
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
    return Worker(config, limits, orders, _facts(settings))


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


async def _wait_for_postgres(service: Service, settings: Settings) -> None:
    """Return once Postgres answers, has the tables of this release, and holds keys."""
    await AsyncRetrying(**retry_policy(settings))(service.database.ping)
    await AsyncRetrying(**retry_policy(settings))(service.keys.load)
