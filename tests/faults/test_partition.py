"""One replica alone is cut off from Redis, while the others use it: a logout at any of them counts at all."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from tests.support.database import connect
from tests.support.load import CHEAP_SIGNATURES, Load
from tests.support.people import new_person
from tests.support.servers import PrivateServers, Service, migrate
from tests.support.waiting import client_of, health, until

pytestmark = pytest.mark.requirement("L2")

PEOPLE = 4


class Line:
    """A way to Redis that can be cut, and mended again."""

    def __init__(self, redis_url: str) -> None:
        self._path = unquote(urlsplit(redis_url).path)
        self._writers: set[asyncio.StreamWriter] = set()
        self._is_cut = False

    @asynccontextmanager
    async def open(self) -> AsyncIterator[str]:
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        async with server:
            yield f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}/0"
            self.cut()

    def cut(self) -> None:
        self._is_cut = True
        for writer in self._writers:
            writer.transport.abort()

    def mend(self) -> None:
        self._is_cut = False

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._is_cut:
            writer.transport.abort()
            return
        far_reader, far_writer = await asyncio.open_unix_connection(self._path)
        ends = {writer, far_writer}
        self._writers |= ends
        await asyncio.gather(_copy(reader, far_writer), _copy(far_reader, writer))
        self._writers -= ends


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    writer.close()


async def says(service: Service, redis: str) -> bool:
    async with client_of(service) as client:
        status, parts = await health(client)
    return (status, parts["redis"]) == (200, redis)


async def test_a_replica_that_lost_redis_alone_neither_takes_nor_refuses_a_token_wrongly(
    private_servers: PrivateServers, tmp_path: Path
) -> None:
    environment = private_servers.environment | CHEAP_SIGNATURES
    await asyncio.to_thread(migrate, environment)
    sql = await connect(private_servers.servers.database_url)
    people = [await new_person(sql) for _ in range(PEOPLE)]
    await sql.close()
    line = Line(private_servers.servers.redis_url)
    async with line.open() as cut_url:
        for name in ("one", "two"):
            (tmp_path / name).mkdir()
        well = Service(environment, tmp_path / "one")
        cut_off = Service(environment | {"AUTH_REDIS_URL": cut_url}, tmp_path / "two")
        services = [await asyncio.to_thread(service.start) for service in (well, cut_off)]
        try:
            async with Load(services, people).running() as book:
                await until(lambda: says(cut_off, "ok"))
                line.cut()
                await until(lambda: says(cut_off, "failing"))
                # A busy machine may exceed the 50 ms that Redis has, so one look is not enough.
                await until(lambda: says(well, "ok"))
                await book.goes_on()
                line.mend()
                await until(lambda: says(cut_off, "ok"))
            assert book.outages == 0
        finally:
            for service in services:
                await asyncio.to_thread(service.terminate)
