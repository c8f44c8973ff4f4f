"""Waiting for other processes by looking at them. The clock only ends a hang."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from http.cookiejar import CookieJar, DefaultCookiePolicy
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2
import pytest

from tests.support.processes import PATIENCE
from tests.support.servers import NO_TLS, Service, free_port

_PAUSE = 0.05  # Seconds between two looks, each of which may be a request.
WELL = {"status": "ready", "postgres": "ok", "keys": "ok", "clock": "ok", "redis": "ok", "log": "ok"}


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Return as soon as the condition holds."""
    async with asyncio.timeout(PATIENCE):
        while not await condition():  # noqa: ASYNC110 - what is awaited is in other processes
            await asyncio.sleep(_PAUSE)


def eventually(condition: Callable[[], object], told: Callable[[], str] = str) -> None:
    """Return as soon as the condition holds; ``told`` explains a hang."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail(f"it never came true {told()}")
        time.sleep(0.02)


def logged(service: Service, event: str, request_id: str) -> dict[str, Any]:
    """The line of this event and this request, as soon as the service has written it."""
    found: list[dict[str, Any]] = []

    def is_written() -> bool:
        # The log of a service that many tests use is long.
        lines = [json.loads(line) for line in service.logs().splitlines() if request_id in line]
        wanted = (event, request_id)
        found[:] = [line for line in lines if (line["event"], line.get("request_id")) == wanted]
        return bool(found)

    eventually(is_written, service.logs)
    (line,) = found
    return line


async def complete_logs(service: Service) -> str:
    """All that it logs of the requests that it has answered. It writes some milliseconds later, in order."""
    name = f"last{uuid4().hex}"
    async with client_of(service) as client:
        await client.get("/.well-known/jwks.json", headers={"X-Request-ID": name})
    logged(service, "http.request", name)
    return service.logs()


def client_of(service: Service) -> httpx2.AsyncClient:
    """A client that keeps no cookie: a test sends those that it means to send."""
    return httpx2.AsyncClient(
        base_url=service.url,
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
        verify=NO_TLS,
        trust_env=False,
        timeout=PATIENCE,
    )


async def answers(service: Service) -> bool:
    """Whether it answers at all, ready or not."""
    async with httpx2.AsyncClient(
        base_url=service.url, verify=NO_TLS, trust_env=False, timeout=0.5
    ) as client:
        try:
            return (await client.get("/livez")).status_code == 200
        except httpx2.TransportError:
            return False


async def health(client: httpx2.AsyncClient) -> tuple[int, dict[str, str]]:
    answer = await client.get("/readyz")
    return answer.status_code, answer.json()


@contextmanager
def spawned(environment: Mapping[str, str], folder: Path) -> Iterator[Service]:
    """A service that was started and may never become ready."""
    service = Service(environment, folder)
    service.port = free_port()
    service.spawn()
    try:
        yield service
    finally:
        service.kill()
