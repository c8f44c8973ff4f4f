"""The signals of a service: the parent receives them, and its workers block them."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = frozenset({signal.SIGINT, signal.SIGTERM, signal.SIGHUP})


@contextmanager
def signals_blocked() -> Iterator[None]:
    """Block the signals, also for the processes that are started meanwhile."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def received_signals() -> Iterator[int]:
    """Yield a file from which the numbers of the signals are read, a byte each."""
    readable, writable = os.pipe()
    os.set_blocking(writable, False)

    def received(_number: int, _frame: FrameType | None) -> None:
        """Do nothing here. Python has written the number."""

    before = {number: signal.signal(number, received) for number in SIGNALS}
    descriptor = signal.set_wakeup_fd(writable)
    try:
        yield readable
    finally:
        signal.set_wakeup_fd(descriptor)
        for number, handler in before.items():
            signal.signal(number, handler)
        os.close(readable)
        os.close(writable)
