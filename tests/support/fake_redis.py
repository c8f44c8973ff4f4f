"""A server in this process that answers commands of Redis as a test says, or not at all."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import TypeAlias

from hiredis import Reader

from app.storage.redis.connection import Address, SingleServer

PATIENT = 30.0
"""Seconds that a client waits for a reply where the test is not about that."""
Answers: TypeAlias = Callable[[list[bytes]], bytes | None]


class FakeRedis:
    """Answers each command with what a function of it returns; None says nothing."""

    def __init__(self, answers: Answers) -> None:
        self._answers = answers
        self.connections: list[asyncio.StreamWriter] = []
        self.commands: list[list[bytes]] = []

    @asynccontextmanager
    async def client(
        self, patience: float = PATIENT, login: Iterable[str] = ()
    ) -> AsyncIterator[SingleServer]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        client = SingleServer(
            Address("127.0.0.1", server.sockets[0].getsockname()[1]), lambda: list(login), patience
        )
        async with server:
            yield client
            await client.aclose()
            for writer in self.connections:
                writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections.append(writer)
        commands = Reader()
        try:
            while data := await reader.read(65_536):
                commands.feed(data)
                while command := commands.gets():
                    self.commands.append(command)
                    answer = self._answers(command)
                    if answer is not None:
                        writer.write(answer)
        except ConnectionError:
            return

    def say(self, answer: bytes) -> None:
        self.connections[-1].write(answer)
