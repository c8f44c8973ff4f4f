"""The latency of refreshes and of the key set during 200 concurrent logins, compared with an idle service.

    make bench-flood

Each login has an account of its own and the right password, and they come from several addresses: the service
gives one account or one network only a share of its slots. Limits are those of production.

The flood runs in a separate process, on raw connections and with prepared requests. Its CPU time is printed,
because it shares the service's cores. There are three kinds of clients:

- burst: all send at once, and again when all are answered. The 99th percentile of refreshes must stay within
  three times its idle value.
- polite: each waits for ``Retry-After``, and up to as long again
- rude: each sends again at once

Only ratios to the idle values of the same run can be compared.
"""

import asyncio
import multiprocessing
import random
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager, suppress
from multiprocessing.connection import Connection as Pipe
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.support.connections import KEY_SET, Peer, peer, post
from tests.support.database import connect
from tests.support.people import PASSWORD, Person, new_person
from tests.support.servers import Service, migrate, private_pair

IN_FLIGHT = 200
SECONDS, ROUNDS = 3.0, 3
PACE = 0.004
"""Seconds between two samples, so the probe adds little load."""
REFRESH, KEYS = "POST /refresh", "GET key set"
ADDRESSES = 8
BUDGET = 3.0
"""How many times the idle value the 99th percentile of refreshes may be during a burst."""

Act = Callable[[], Awaitable[object]]


def login_of(person: Person, password: str = PASSWORD) -> bytes:
    """Return the bytes of a login request."""
    return post("/login", email=person.email, password=password, client="native")


async def timed(act: Act) -> list[float]:
    """Repeat an act for SECONDS, and return the sorted milliseconds."""
    times = []
    end = time.perf_counter() + SECONDS
    while (start := time.perf_counter()) < end:
        await act()
        times.append((time.perf_counter() - start) * 1e3)
        await asyncio.sleep(PACE)
    return sorted(times)


async def probe(port: int, tokens: list[str]) -> dict[str, list[float]]:
    """Measure both routes at once, on persistent connections. The last token is the newest one."""
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

        routes = await asyncio.gather(timed(refresh), timed(key_set))
    return dict(zip((REFRESH, KEYS), routes, strict=True))


async def _flood(port: int, requests: Sequence[bytes], pipe: Pipe, kind: str) -> None:
    statuses: Counter[int] = Counter()
    barrier = asyncio.Barrier(len(requests))

    async def send_repeatedly(client: Peer, request: bytes) -> None:
        while True:
            await client.send(request)
            status, retry_after = await client.outline()
            statuses[status] += 1
            if kind == "burst":
                await barrier.wait()
            # Polite clients do not return all at once.
            await asyncio.sleep(retry_after * random.uniform(1, 2) if kind == "polite" else 0)

    async with AsyncExitStack() as stack:
        floods = []
        for number, request in enumerate(requests):
            # All of 127.0.0.0/8 is this machine.
            source = (f"127.0.1.{number % ADDRESSES + 1}", 0)
            client = await stack.enter_async_context(peer(port, local_addr=source))
            floods.append(asyncio.create_task(send_repeatedly(client, request)))
        pipe.send(None)
        await asyncio.get_running_loop().run_in_executor(None, pipe.recv)
        for task in floods:
            task.cancel()
        with suppress(asyncio.CancelledError):
            await asyncio.gather(*floods)
    pipe.send((dict(statuses), time.process_time()))


def _run_flood(port: int, requests: Sequence[bytes], pipe: Pipe, kind: str) -> None:
    asyncio.run(_flood(port, requests, pipe, kind))


@contextmanager
def flood(port: int, requests: Sequence[bytes], kind: str) -> Iterator[None]:
    """Send logins from another process while the context lasts, then print their number and cost."""
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(
        target=_run_flood, args=(port, requests, theirs, kind)
    )
    process.start()
    ours.recv()
    start = time.perf_counter()
    yield
    seconds = time.perf_counter() - start
    ours.send(None)
    statuses, cpu = ours.recv()
    process.join()
    answers = ", ".join(f"{count / seconds:,.0f}/s answered {status}" for status, count in statuses.items())
    print(f"  logins: {answers}; the flood took {cpu / seconds:.0%} of a core")


def percentile(ordered: list[float], percent: int) -> float:
    """Return the milliseconds that so many of a hundred requests stayed below."""
    return ordered[len(ordered) * percent // 100]


def print_percentiles(routes: dict[str, list[float]], idle: dict[str, list[float]]) -> None:
    """Print the percentiles, and their ratio to the idle ones."""
    for name, values in routes.items():
        columns = []
        for percent in (50, 99):
            value, before = (percentile(kind, percent) for kind in (values, idle[name]))
            columns.append(f"p{percent} {value:7.2f} ms {value / before:6.1f}")
        print(f"  {name:15} {'   '.join(columns)}   of {len(values)}")


async def measure(service: Service) -> float:
    """Measure under each kind of flood, and idle in turn with it.

    Return how many times its idle value the 99th percentile of refreshes was during the bursts.
    """
    sql = await connect(service.environment["AUTH_DATABASE_URL"])
    person, *others = [await new_person(sql) for _ in range(IN_FLIGHT + 1)]
    await sql.close()
    logins, during = [login_of(other) for other in others], 0.0
    async with peer(service.port) as client:
        await client.send(login_of(person))
        tokens = [(await client.answer()).json()["refresh_token"]]
    await probe(service.port, tokens)
    for kind in ("burst", "polite", "rude"):
        idle, routes = _nothing(), _nothing()
        # In turn, because the machine may become slower meanwhile.
        for _ in range(ROUNDS):
            _add(idle, await probe(service.port, tokens))
            with flood(service.port, logins, kind):
                await asyncio.sleep(1)
                _add(routes, await probe(service.port, tokens))
        print(f"{service.workers} worker(s), idle")
        print_percentiles(idle, idle)
        print(f"{service.workers} worker(s), {IN_FLIGHT} {kind} logins in flight")
        print_percentiles(routes, idle)
        if kind == "burst":
            during = percentile(routes[REFRESH], 99) / percentile(idle[REFRESH], 99)
    return during


def _nothing() -> dict[str, list[float]]:
    return {REFRESH: [], KEYS: []}


def _add(routes: dict[str, list[float]], more: dict[str, list[float]]) -> None:
    for name, latencies in more.items():
        routes[name] = sorted(routes[name] + latencies)


def main() -> int:
    """Run on private servers, once for each number of workers in the arguments; 1 when one is too slow."""
    ratios = []
    for workers in map(int, sys.argv[1:] or ("1", "2")):
        with TemporaryDirectory() as folder, private_pair() as pair:
            migrate(pair.environment)
            limits = {name: "" for name in pair.environment if "_LIMIT" in name}
            environment = pair.environment | limits | {"AUTH_DATABASE_POOL_SIZE": ""}
            with Service(environment, Path(folder), workers=workers) as service:
                ratios.append(asyncio.run(measure(service)))
    print(
        f"p99 of refreshes in a burst, times idle: {', '.join(f'{each:.1f}' for each in ratios)};"
        f" the budget is {BUDGET}"
    )
    return int(max(ratios) > BUDGET)


if __name__ == "__main__":
    sys.exit(main())
