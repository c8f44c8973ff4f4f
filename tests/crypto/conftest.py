"""Fixtures for password hashing: a cheap hasher, its executor, and a gate before its computations."""

from collections.abc import Iterator
from typing import Any

import pytest

from app.crypto import passwords
from app.crypto.passwords import HashingPolicy, PasswordHasher
from tests.support.hashing import Executor, Gate


@pytest.fixture
def executors(monkeypatch: pytest.MonkeyPatch) -> list[Executor]:
    """The executors of the hashers that are made from now on."""
    made: list[Executor] = []

    def make(*arguments: Any) -> Executor:
        made.append(Executor(*arguments))
        return made[-1]

    monkeypatch.setattr(passwords, "ThreadPoolExecutor", make)
    return made


@pytest.fixture
def executor(hasher: PasswordHasher, executors: list[Executor]) -> Executor:
    (executor,) = executors
    return executor


@pytest.fixture
def hasher(executors: list[Executor]) -> Iterator[PasswordHasher]:
    hasher = PasswordHasher(HashingPolicy(memory_kib=8, time_cost=1, threads=1))
    yield hasher
    hasher.close()


@pytest.fixture
def gate(hasher: PasswordHasher, monkeypatch: pytest.MonkeyPatch) -> Iterator[Gate]:
    gate = Gate(monkeypatch)
    yield gate
    gate.opened.set()


@pytest.fixture
def counted(gate: Gate) -> Gate:
    gate.opened.set()
    return gate
