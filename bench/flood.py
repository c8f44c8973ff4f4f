"""How fast refreshes and the key set are while 200 logins are kept in flight, against how fast they are idle.

    make bench-flood

The flood runs in a process of its own, on raw connections and with requests made beforehand; what it costs is
printed, since it takes the service's cores. Clients come all at once and again when all are answered (burst),
wait as ``Retry-After`` says and up to as long again (polite), or come back at once (rude). Only ratios to the
idle values of the same run may be compared.
"""

import asyncio
import multiprocessing
import random
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, contextmanager, suppress
from multiprocessing.connection import Connection as Pipe
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.support.connections import KEY_SET, Peer, peer, post
from tests.support.database import connect
from tests.support.people import PASSWORD, Person, new_person
from tests.support.servers import Service, migrate, private_pair

IN_FLIGHT = 200
SECONDS = 8.0
PACE = 0.004
"""Seconds between two samples, so that the probe is no load of its own."""
UNLIMITED = dict.fromkeys(
    ("AUTH_LOGIN_LIMIT_ACCOUNT", "AUTH_LOGIN_LIMIT_ADDRESS", "AUTH_LOGIN_LIMIT_GLOBAL", "AUTH_REFRESH_LIMIT"),
    "1000000/1",
)

Act = Callable[[], Awaitable[object]]


def login_of(person: Person, password: str = PASSWORD) -> bytes:
    """A sign-in."""
    return post("/login", email=person.email, password=password, client="native")


async def latencies(act: Act) -> list[float]:
    """Milliseconds of each act in so many seconds, in order of size."""
    found = []
    end = time.perf_counter() + SECONDS
    while (begun := time.perf_counter()) < end:
        await act()
        found.append((time.perf_counter() - begun) * 1e3)
        await asyncio.sleep(PACE)
    return sorted(found)


async def probed(port: int, tokens: list[str]) -> dict[str, list[float]]:
    """Both routes at once, on connections that stay open; the newest token is the last one."""
    async with peer(port) as refreshing, peer(port) as reading:

        async def refresh() -> None:
            await refreshing.send(post("/refresh", refresh_token=tokens.pop()))
            answer = await refreshing.answer()
            assert answer.is_success, answer.text
            tokens.append(answer.json()["refresh_token"])

        async def key_set() -> None:
            await reading.send(KEY_SET)
            answer = await reading.answer()
            assert answer.is_success, answer.text

        routes = await asyncio.gather(latencies(refresh), latencies(key_set))
    return dict(zip(("POST /refresh", "GET key set"), routes, strict=True))


async def _flood(port: int, request: bytes, pipe: Pipe, kind: str) -> None:
    statuses: Counter[int] = Counter()
    everybody = asyncio.Barrier(IN_FLIGHT)

    async def again_and_again(client: Peer) -> None:
        while True:
            await client.send(request)
            status, retry_after = await client.outline()
            statuses[status] += 1
            if kind == "burst":
                await everybody.wait()
            # Polite ones do not come back all at once.
            await asyncio.sleep(retry_after * random.uniform(1, 2) if kind == "polite" else 0)

    async with AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(peer(port)) for _ in range(IN_FLIGHT)]
        floods = [asyncio.create_task(again_and_again(client)) for client in clients]
        pipe.send(None)
        await asyncio.get_running_loop().run_in_executor(None, pipe.recv)
        for flood in floods:
            flood.cancel()
        with suppress(asyncio.CancelledError):
            await asyncio.gather(*floods)
    pipe.send((dict(statuses), time.process_time()))


def _flooding(port: int, request: bytes, pipe: Pipe, kind: str) -> None:
    asyncio.run(_flood(port, request, pipe, kind))


@contextmanager
def flooded(port: int, request: bytes, kind: str) -> Iterator[None]:
    """Logins from another process, under way from here to the end, and then told."""
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(
        target=_flooding, args=(port, request, theirs, kind)
    )
    process.start()
    ours.recv()
    begun = time.perf_counter()
    yield
    seconds = time.perf_counter() - begun
    ours.send(None)
    statuses, cpu = ours.recv()
    process.join()
    told = ", ".join(f"{count / seconds:,.0f}/s answered {status}" for status, count in statuses.items())
    print(f"  logins: {told}; the flood took {cpu / seconds:.0%} of a core")


def told(routes: dict[str, list[float]], idle: dict[str, list[float]]) -> None:
    """The percentiles, and their ratio to the idle ones."""
    for name, values in routes.items():
        columns = []
        for percent in (50, 99):
            value, before = (kind[len(kind) * percent // 100] for kind in (values, idle[name]))
            columns.append(f"p{percent} {value:7.2f} ms {value / before:6.1f}")
        print(f"  {name:15} {'   '.join(columns)}   of {len(values)}")


async def measure(service: Service) -> None:
    """Under each kind of flood, and idle right before it."""
    sql = await connect(service.environment["AUTH_DATABASE_URL"])
    person, victim = await new_person(sql), await new_person(sql)
    await sql.close()
    async with peer(service.port) as client:
        await client.send(login_of(person))
        tokens = [(await client.answer()).json()["refresh_token"]]
    await probed(service.port, tokens)
    for kind in ("burst", "polite", "rude"):
        idle = await probed(service.port, tokens)
        print(f"{service.workers} worker(s), idle")
        told(idle, idle)
        print(f"{service.workers} worker(s), {IN_FLIGHT} {kind} logins in flight")
        with flooded(service.port, login_of(victim), kind):
            await asyncio.sleep(1)
            routes = await probed(service.port, tokens)
        told(routes, idle)


def main() -> None:
    """Run on servers of its own, with as many workers as each argument says."""
    for workers in map(int, sys.argv[1:] or ("1", "2")):
        with TemporaryDirectory() as folder, private_pair() as pair:
            migrate(pair.environment)
            environment = pair.environment | UNLIMITED | {"AUTH_DATABASE_POOL_SIZE": "10"}
            with Service(environment, Path(folder), workers=workers) as service:
                asyncio.run(measure(service))


if __name__ == "__main__":
    main()
