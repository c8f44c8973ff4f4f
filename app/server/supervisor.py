"""The parent of the workers. It starts and replaces them, and alone receives the signals of the service.

- SIGTERM and SIGINT end the service: the workers drain for a while, then complete what is in flight. A second
  signal ends everything at once.
- SIGHUP replaces the workers one after the other. An old one goes once a new one serves, so no request waits.
  A further one begins again at once: a replacement that does not serve yet began with older files, and ends.
- A worker that ends by itself is replaced. If the first one never serves, the service has failed to start.
"""

import multiprocessing
import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from multiprocessing.resource_tracker import ensure_running
from socket import socket

import structlog

from app.server.orders import Order, begin
from app.server.signals import received_signals, signals_blocked

GRACE = 10.0
"""Seconds from the end of a drain until workers are killed. Requests in flight have eight."""
PAUSE = 1.0
"""Seconds until a worker that never served is started again."""

# A worker loads the program itself, so that SIGHUP serves what is installed by then.
_processes = multiprocessing.get_context("spawn")
_log = structlog.get_logger()


@dataclass(eq=False, slots=True)
class _Process:
    process: BaseProcess
    orders: Connection
    generation: int
    serves: bool = False
    retires: bool = False

    def order(self, order: Order) -> None:
        with suppress(OSError):  # It has just ended.
            self.orders.send(order)


class Supervisor:
    """Keeps ``number`` workers running until a signal ends the service.

    ``work`` names the function of a worker. ``on_serving`` gets a worker's facts once all serve.
    """

    def __init__(
        self,
        work: str,
        number: int,
        sockets: list[socket],
        drain: float,
        on_serving: Callable[[object], None],
    ) -> None:
        self._work = work
        self._number = number
        self._sockets = sockets
        self._drain = drain
        self._on_serving = on_serving
        self._workers: list[_Process] = []
        self._generation = 0
        self._has_served = False
        self._announced: int | None = None
        """The last generation that the log reported as serving."""
        self._starts_after = 0.0
        self._start_failure: str | None = None
        """Why no process could be started, as the log says it; once for each reason."""
        self._ending: Order | None = None
        self._deadline = 0.0
        self._status = 0

    def run(self) -> int:
        """Return the exit status once all workers have ended."""
        with received_signals() as signalled:
            while self._workers or self._ending is None:
                self._start_missing()
                if self._workers or not self._ending:
                    self._wait(signalled)
                self._pass_deadline()
        return self._status

    def _start_missing(self) -> None:
        if self._ending or time.monotonic() < self._starts_after:
            return
        current = [worker for worker in self._workers if worker.generation == self._generation]
        starting = sum(not worker.serves for worker in current)
        # The first one shows whether the service can start, and a replacement whether it can be replaced.
        at_once = self._number if self._has_served and not self._replaced() else 1
        try:
            for _ in range(min(self._number - len(current), at_once - starting)):
                self._start()
        except OSError as error:
            self._has_not_started(error.strerror or str(error))

    def _has_not_started(self, reason: str) -> None:
        """The machine has no process, file or memory to spare. That passes, so it is tried again."""
        if reason != self._start_failure:
            self._start_failure = reason
            _log.error("worker.not_started", reason=reason)
        self._starts_after = time.monotonic() + PAUSE
        if not self._has_served:
            self._status = 1
            self._end()

    def _start(self) -> None:
        if _processes.get_start_method() == "spawn":
            ensure_running()  # Else the start would do it, and unblock the signals.
        ours, theirs = _processes.Pipe()
        with theirs, signals_blocked():
            arguments = (self._work, theirs, os.getpid(), self._sockets)
            process = _processes.Process(target=begin, args=arguments)
            process.start()
        self._workers.append(_Process(process, ours, self._generation))
        self._start_failure = None

    def _wait(self, signalled: int) -> None:
        """Wait for a signal, a worker that serves or one that ended, and act on it."""
        by_orders = {worker.orders: worker for worker in self._workers if not worker.serves}
        by_sentinel = {worker.process.sentinel: worker for worker in self._workers}
        for ready in wait([signalled, *by_orders, *by_sentinel], self._patience()):
            if ready == signalled:
                for number in os.read(signalled, 64):
                    self._act_on(number)
            elif isinstance(ready, Connection):
                self._serves(by_orders[ready])
            elif isinstance(ready, int):
                self._has_ended(by_sentinel[ready])

    def _patience(self) -> float | None:
        if self._ending:
            return max(0.0, self._deadline - time.monotonic())
        wait_for = self._starts_after - time.monotonic()
        return wait_for if wait_for > 0 else None

    def _serves(self, worker: _Process) -> None:
        try:
            facts = worker.orders.recv()
        except (EOFError, OSError):
            return  # It has ended; the sentinel reports it.
        if worker.retires:
            return
        worker.serves = self._has_served = True
        for old in self._replaced()[:1]:
            old.retires = True
            old.order(Order.RETIRE)
        if self._all_serve() and self._announced != self._generation:
            if self._announced is None:
                self._on_serving(facts)
            else:
                _log.info("workers.replaced", workers=self._number)
            self._announced = self._generation

    def _all_serve(self) -> bool:
        newest = [worker for worker in self._workers if worker.generation == self._generation]
        return sum(worker.serves for worker in newest) == self._number

    def _replaced(self) -> list[_Process]:
        """The workers that still serve and are to be replaced."""
        return [each for each in self._workers if each.generation < self._generation and not each.retires]

    def _has_ended(self, worker: _Process) -> None:
        worker.process.join()
        worker.orders.close()
        self._workers.remove(worker)
        if self._ending or worker.retires:
            return
        if worker.serves:
            _log.error("worker.ended", status=worker.process.exitcode)
        elif not self._has_served:
            self._status = 1  # It logged the reason.
            self._end()
        elif replaced := self._replaced():
            _log.error("workers.kept", reason="their replacement did not start")
            for old in replaced:
                old.generation = self._generation
            if self._announced is not None:
                self._announced = self._generation
        else:
            self._starts_after = time.monotonic() + PAUSE

    def _act_on(self, number: int) -> None:
        if number == signal.SIGHUP:
            self._begin_generation()
        elif self._ending:
            self._status = 128 + number
            self._kill()
        elif self._drain and self._has_served:
            self._ending, self._deadline = Order.DRAIN, time.monotonic() + self._drain
            self._order_all(Order.DRAIN)
        else:
            self._end()

    def _begin_generation(self) -> None:
        self._generation += 1
        for worker in self._workers:
            if not worker.serves:
                worker.retires = True
                worker.order(Order.END)

    def _pass_deadline(self) -> None:
        if self._ending and time.monotonic() >= self._deadline:
            if self._ending is Order.DRAIN:
                self._end()
            else:
                self._deadline += PAUSE
                self._kill()

    def _end(self) -> None:
        self._ending, self._deadline = Order.END, time.monotonic() + GRACE
        for listening in self._sockets:
            listening.close()  # New connections are refused instead of queued.
        self._order_all(Order.END)

    def _order_all(self, order: Order) -> None:
        for worker in self._workers:
            if worker.serves:
                worker.order(order)
            else:
                worker.process.kill()

    def _kill(self) -> None:
        for worker in self._workers:
            worker.process.kill()
