"""A worker: uvicorn in a process of its own, which obeys its parent and ends with it."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from socket import socket
from typing import cast

from uvicorn import Config
from uvicorn.server import Server

from app.server.connection_limits import ConnectionLimits, Connections
from app.server.orders import Order, Orders
from app.server.protocol import BoundedProtocol


class Worker(Server):
    """uvicorn's server, without its signals, and with orders instead."""

    def __init__(self, config: Config, limits: ConnectionLimits, orders: Orders, facts: object) -> None:
        super().__init__(config)
        self.server_state = self._connections = Connections(limits)
        self._orders = orders
        self._facts = facts
        self._obeyed: Order | None = None
        self._sockets: list[socket] = []
        self._leaving = asyncio.Event()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals to the parent."""
        yield

    async def startup(self, sockets: list[socket] | None = None) -> None:
        """Start to serve, and tell the parent."""
        self._sockets = sockets or []
        # Responses that go on and on end when it is set. The application reads it as it does "draining".
        self.lifespan.state["leaving"] = self._leaving
        self._orders.is_obeyed = True
        await super().startup(sockets)
        self._orders.answer(self._facts)

    async def on_tick(self, counter: int) -> bool:
        """Obey, ten times a second. Return whether the server ends."""
        await super().on_tick(counter)
        order = self._orders.latest
        if order is not self._obeyed:
            self._obeyed = order
            self._let_go()
            if order is Order.DRAIN:
                # The application reads it from the state of a request.
                self.lifespan.state["draining"] = True
            elif order is Order.RETIRE:
                self._stop_listening()
        return order is Order.END or (order is Order.RETIRE and not self._connections.connections)

    def _let_go(self) -> None:
        self._connections.closes_kept = True
        self._leaving.set()
        for connection in self._connections.connections:
            cast("BoundedProtocol", connection).let_go()

    def _stop_listening(self) -> None:
        for server in self.servers:
            server.close()
        for listening in self._sockets:
            listening.close()
