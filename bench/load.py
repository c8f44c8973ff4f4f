"""The clients: a process on a core of its own, which sends requests for a moment when it is told to.

The clients of a window each send a request, wait for the answer and send the next one. Where a system refuses
or answers wrongly, the benchmark ends with that answer.
"""

import asyncio
import multiprocessing
import os
import sys
import time
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection as Pipe
from typing import NamedTuple, cast

import uvloop

from bench.client import Connection
from bench.traffic import Traffic


class Window(NamedTuple):
    """What a window brought: its requests, and how long it took until the last answer, in seconds.

    ``latencies`` are those of its requests in milliseconds.
    """

    requests: int
    seconds: float
    latencies: "array[float]"


class _Open(NamedTuple):
    system: str
    port: int
    traffic: dict[str, Traffic]


class _Send(NamedTuple):
    system: str
    operation: str
    in_flight: int
    seconds: float
    most: int


class Load:
    """The clients, as the process that measures sees them."""

    def __init__(self, pipe: Pipe) -> None:
        self._pipe = pipe

    def open(self, system: str, port: int, traffic: dict[str, Traffic]) -> None:
        """Take the requests of each operation at this system; the connections are made when they are used."""
        self._do(_Open(system, port, traffic))

    def send(
        self, system: str, operation: str, *, in_flight: int, seconds: float, most: int = sys.maxsize
    ) -> Window:
        """Send about ``most`` requests until the time is over, and return when all of them are answered."""
        window = self._do(_Send(system, operation, in_flight, seconds, most))
        assert isinstance(window, Window)
        return window

    def _do(self, order: _Open | _Send) -> Window | None:
        self._pipe.send(order)
        failure, window = self._pipe.recv()
        if failure is not None:
            raise RuntimeError(f"{order.system}: {failure}")
        return cast("Window | None", window)


@contextmanager
def clients(cores: set[int]) -> Iterator[Load]:
    """Run the clients on these cores while the context lasts."""
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_serve, args=(theirs, cores), daemon=True)
    process.start()
    theirs.close()
    try:
        yield Load(ours)
    finally:
        ours.close()
        process.join()


def _serve(pipe: Pipe, cores: set[int]) -> None:
    os.sched_setaffinity(0, cores)
    systems: dict[str, _System] = {}
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        while True:
            try:
                order = pipe.recv()
            except EOFError:
                return
            try:
                if isinstance(order, _Open):
                    systems[order.system] = _System(order)
                    pipe.send((None, None))
                else:
                    pipe.send((None, runner.run(systems[order.system].window(order))))
            except (AssertionError, ConnectionError) as error:
                pipe.send((f"{order.operation}: {error!r}", None))


class _System:
    """The connections to a system, and its traffic."""

    def __init__(self, opened: _Open) -> None:
        self._port, self._traffic = opened.port, opened.traffic
        self._connections: list[Connection] = []

    async def window(self, order: _Send) -> Window:
        while len(self._connections) < order.in_flight:
            self._connections.append(await Connection.to(self._port))
        traffic, latencies = self._traffic[order.operation], array("f")
        start = time.perf_counter()
        end = start + order.seconds
        clients = self._connections[: order.in_flight]
        await asyncio.gather(*(_send(client, traffic, end, order.most, latencies) for client in clients))
        assert latencies, "no request was left"
        return Window(len(latencies), time.perf_counter() - start, latencies)


async def _send(
    client: Connection, traffic: Traffic, end: float, most: int, latencies: "array[float]"
) -> None:
    while (sent := time.perf_counter()) < end and len(latencies) < most:
        request = traffic.next()
        if request is None:
            return
        answer = await client.ask(request)
        latencies.append((time.perf_counter() - sent) * 1e3)
        traffic.answered(answer)
