"""The latency of refreshes while 200 listeners hear of ten sessions that end in a second.

    make bench-listeners

The listeners are in a process of their own. Idle values are measured in turn with the others, because the
machine may become slower meanwhile. Only ratios to the idle values of the same run can be compared.
"""

import asyncio
import multiprocessing
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from multiprocessing.connection import Connection as Pipe
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import uuid4

from bench.flood import KEYS, REFRESH, ROUNDS, SECONDS, login_of, percentile, print_percentiles, probe
from tests.support.clients import new_client, token_of
from tests.support.connections import peer
from tests.support.database import Sql, connect
from tests.support.people import new_person
from tests.support.servers import Service, migrate, private_pair
from tests.support.waiting import client_of

LISTENERS = 200
PACE = 0.1
"""Seconds between two sessions that end."""
REVOKE = """INSERT INTO revocations (id, expires_at, kind, subject, reason)
            VALUES ($1, now() + interval '16 minutes', 'session', $2, 'logout')"""


async def _listen(port: int, token: str, pipe: Pipe) -> None:
    head = f"GET /revocations HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\r\n"
    async with AsyncExitStack() as stack:
        peers = [await stack.enter_async_context(peer(port)) for _ in range(LISTENERS)]
        for each in peers:
            await each.send(head.encode())
            assert (await each.answer(to_head=True)).status_code == 200
        reading = [asyncio.create_task(each.rest()) for each in peers]
        pipe.send(None)
        await asyncio.get_running_loop().run_in_executor(None, pipe.recv)
        for task in reading:
            task.cancel()
        heard = await asyncio.gather(*reading, return_exceptions=True)
        assert all(isinstance(each, asyncio.CancelledError) for each in heard), "a stream ended"


def _run(port: int, token: str, pipe: Pipe) -> None:
    asyncio.run(_listen(port, token, pipe))


@contextmanager
def listeners(port: int, token: str) -> Iterator[None]:
    """Listen from another process while the context lasts."""
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_run, args=(port, token, theirs))
    process.start()
    ours.recv()
    yield
    ours.send(None)
    process.join()
    assert process.exitcode == 0


async def _end_sessions(sql: Sql) -> None:
    for _ in range(int(SECONDS / PACE)):
        await sql.execute(REVOKE, str(uuid4()), uuid4())
        await asyncio.sleep(PACE)


async def measure(service: Service) -> None:
    """Measure idle and with listeners, in turn; sessions end in both, so only the listeners differ."""
    sql = await connect(service.environment["AUTH_DATABASE_URL"])
    person = await new_person(sql)
    async with client_of(service) as client, peer(service.port) as native:
        token = await token_of(client, await new_client(sql, "revocations:read"))
        await native.send(login_of(person))
        tokens = [(await native.answer()).json()["refresh_token"]]
    await probe(service.port, tokens)
    idle, during = ({name: list[float]() for name in (REFRESH, KEYS)} for _ in range(2))
    for _ in range(ROUNDS):
        await _add(idle, service, tokens, sql)
        with listeners(service.port, token):
            await _add(during, service, tokens, sql)
    await sql.close()
    print("no listeners")
    print_percentiles(idle, idle)
    print(f"{LISTENERS} listeners")
    print_percentiles(during, idle)
    ratios = [percentile(during[REFRESH], each) / percentile(idle[REFRESH], each) for each in (50, 99)]
    print(f"refreshes, times idle: p50 {ratios[0]:.2f}, p99 {ratios[1]:.2f}")


async def _add(routes: dict[str, list[float]], service: Service, tokens: list[str], sql: Sql) -> None:
    more, _ = await asyncio.gather(probe(service.port, tokens), _end_sessions(sql))
    for name, latencies in more.items():
        routes[name] = sorted(routes[name] + latencies)


def main() -> None:
    """Run on private servers, with one worker."""
    with TemporaryDirectory() as folder, private_pair() as pair:
        migrate(pair.environment)
        limits = {name: "" for name in pair.environment if "_LIMIT" in name}
        environment = pair.environment | limits | {"AUTH_DATABASE_POOL_SIZE": ""}
        with Service(environment, Path(folder)) as service:
            asyncio.run(measure(service))


if __name__ == "__main__":
    main()
