"""Watches password hashing: which computations reach the libraries, and in which threads."""

import asyncio
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import argon2
import pytest
from nacl import bindings

from app.crypto.passwords import PasswordCheck

NO = PasswordCheck(matches=False, outdated=False)
NEVER = PasswordCheck(matches=False, outdated=False, understood=False)
CURRENT = PasswordCheck(matches=True, outdated=False)
OUTDATED = PasswordCheck(matches=True, outdated=True)


class Computation(NamedTuple):
    """One computation of Argon2: the library that made it, and its cost."""

    library: str
    kib: int
    passes: int


class Gate:
    """Counts the verifications that reach Argon2, and holds each one in its thread until it is opened.

    It also records the computations and the niceness of their threads.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.computations: list[Computation] = []
        self.niceness: list[int] = []
        self.entered = threading.Event()
        self.opened = threading.Event()
        derive, verify = bindings.crypto_pwhash_alg, argon2.low_level.verify_secret

        def derived(size: int, secret: bytes, salt: bytes, passes: int, memory: int, kind: int) -> bytes:
            self._enter(Computation("libsodium", memory // 1024, passes))
            return derive(size, secret, salt, passes, memory, kind)

        def verified(stored: bytes, *arguments: Any) -> bool:
            parameters = argon2.extract_parameters(stored.decode())
            self._enter(Computation("argon2", parameters.memory_cost, parameters.time_cost))
            return verify(stored, *arguments)

        monkeypatch.setattr(bindings, "crypto_pwhash_alg", derived)
        monkeypatch.setattr(argon2.low_level, "verify_secret", verified)

    @property
    def calls(self) -> int:
        return len(self.computations)

    def _enter(self, computation: Computation) -> None:
        self.computations.append(computation)
        self.niceness.append(niceness())
        self.entered.set()
        assert self.opened.wait(timeout=120)

    async def wait(self) -> None:
        assert await asyncio.to_thread(self.entered.wait, 120)


def niceness() -> int:
    """The niceness of the calling thread."""
    return os.getpriority(os.PRIO_PROCESS, 0)


class Executor(ThreadPoolExecutor):
    """Counts the jobs that are submitted to the hashing threads."""

    jobs = 0

    def submit(self, work: Callable[..., Any], /, *arguments: Any, **keywords: Any) -> Any:
        self.jobs += 1
        return super().submit(work, *arguments, **keywords)


def start(work: Any) -> asyncio.Task[PasswordCheck]:
    return asyncio.create_task(work)
