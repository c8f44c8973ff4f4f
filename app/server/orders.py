"""What a parent asks of its workers.

A worker blocks the signals that end or replace a service. A terminal and a service manager send them to every
process of the service, and the parent alone decides what they mean.
"""

import gc
import os
import signal
from contextlib import suppress
from enum import Enum
from importlib import import_module
from multiprocessing.connection import Connection
from socket import socket
from threading import Thread

from app.server.signals import SIGNALS

_WATCH_EVERY = 0.5
"""Seconds between checks that the parent lives."""


class Order(Enum):
    """What a parent asks of a worker. A later one follows an earlier one."""

    DRAIN = "drain"
    """Say that the service is going, and serve on. Each response asks its client for another connection."""
    RETIRE = "retire"
    """Accept no further connection, and end with the last one. Another worker has taken over."""
    END = "end"
    """Complete the requests in flight, and end."""


class Orders:
    """Receives the parent's orders. A killed parent counts as an order to end."""

    def __init__(self, connection: Connection, parent: int) -> None:
        self.latest: Order | None = None
        self.is_obeyed = False
        """Whether the server acts on orders. Until then, nothing is lost if the process ends at once."""
        self._connection = connection
        self._parent = parent

    def listen(self) -> None:
        """Receive orders from now on."""
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        Thread(target=self._listen, name="orders", daemon=True).start()

    def answer(self, message: object) -> None:
        """Tell the parent that this worker serves."""
        with suppress(OSError):  # The parent was killed; the next check notices.
            self._connection.send(message)

    def _listen(self) -> None:
        while self.latest is not Order.END:
            try:
                if self._connection.poll(_WATCH_EVERY):
                    self.latest = self._connection.recv()
            except (EOFError, OSError):
                self.latest = Order.END
            if os.getppid() != self._parent:
                self.latest = Order.END
        if not self.is_obeyed:
            os._exit(1)


def begin(work: str, connection: Connection, parent: int, sockets: list[socket]) -> None:
    """Be a worker: obey from the beginning, and only then load and call ``module:function``.

    Loading the program takes seconds on a busy machine, in which the parent may be killed.
    """
    orders = Orders(connection, parent)
    orders.listen()
    gc.disable()  # Nothing that is loaded becomes garbage. The application enables it again when it starts.
    module, _, function = work.partition(":")
    getattr(import_module(module), function)(orders, sockets)
