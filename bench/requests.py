"""The CPU time of each request, for the service, Postgres and Valkey together.

    make bench

CPU time per request is steadier than latency on a shared machine. The last column is the ratio to
``GET /livez`` in the same run. Only these ratios can be compared between runs and machines.
"""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx2
import psutil  # type: ignore[import-untyped] # psutil has no types

from tests.support.database import connect
from tests.support.people import login, me, new_person, refresh
from tests.support.servers import Service, migrate, private_pair

Act = Callable[[], Awaitable[httpx2.Response]]


def cpu_seconds(roots: list[psutil.Process]) -> float:
    """Return the user and system time of these processes and their children."""
    processes = [process for root in roots for process in (root, *root.children(recursive=True))]
    times = [process.cpu_times() for process in processes]
    return float(sum(time.user + time.system for time in times))


async def cost(act: Act, requests: int, roots: list[psutil.Process]) -> float:
    """Return the microseconds of CPU for one request, measured over many, ten at a time."""
    for _ in range(20):
        await act()
    before = cpu_seconds(roots)
    gate = asyncio.Semaphore(10)

    async def once() -> None:
        async with gate:
            assert (await act()).is_success

    await asyncio.gather(*(once() for _ in range(requests)))
    return (cpu_seconds(roots) - before) / requests * 1e6


async def measure(service: Service, roots: list[psutil.Process], requests: int) -> dict[str, float]:
    """Return the cost of each route."""
    sql = await connect(service.environment["AUTH_DATABASE_URL"])
    person = await new_person(sql)
    async with httpx2.AsyncClient(base_url=service.url, trust_env=False, timeout=60) as client:
        tokens = (await login(client, person)).json()
        families = [(await login(client, person)).json()["refresh_token"] for _ in range(10)]
        ending = [(await login(client, person)).json()["refresh_token"] for _ in range(requests // 4 + 20)]

        async def rotate() -> httpx2.Response:
            token = families.pop()
            response = await refresh(client, token)
            families.append(response.json()["refresh_token"])
            return response

        def end() -> Awaitable[httpx2.Response]:
            return client.post("/logout", json={"refresh_token": ending.pop()})

        acts: dict[str, tuple[Act, int]] = {
            "GET /livez": (lambda: client.get("/livez"), requests),
            "GET /.well-known/jwks.json": (lambda: client.get("/.well-known/jwks.json"), requests),
            "GET /me": (lambda: me(client, tokens["access_token"]), requests),
            "POST /refresh": (rotate, requests),
            "POST /logout": (end, requests // 4),
            "POST /login": (lambda: login(client, person), requests // 10),
        }
        costs = {name: await cost(act, count, roots) for name, (act, count) in acts.items()}
    await sql.close()
    return costs


def main() -> None:
    """Run on private servers."""
    requests = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
    with TemporaryDirectory() as folder, private_pair() as pair:
        migrate(pair.environment)
        # Every request writes one line, also the one that the others are compared with.
        settings = {"AUTH_DATABASE_POOL_SIZE": "10", "AUTH_LOG_PROBES": "on"}
        with Service(pair.environment | settings, Path(folder)) as service:
            pids = (service.process.pid, pair.postgres.pid, pair.valkey.pid)
            costs = asyncio.run(measure(service, [psutil.Process(pid) for pid in pids], requests))
    floor = costs["GET /livez"]
    for name, microseconds in costs.items():
        print(f"{name:28} {microseconds:9,.0f} µs {microseconds / floor:8.1f}")


if __name__ == "__main__":
    main()
