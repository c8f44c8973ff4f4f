"""A login with a wrong password costs the same work, whether or not the account exists."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from nacl import bindings

from app.crypto.passwords import HashingPolicy, PasswordHasher
from app.domain.accounts import canonical_email
from app.domain.refusals import Refusal, Refused
from app.domain.sessions import ClientKind
from app.domain.visitors import Visitor
from app.storage.postgres.connections import Connection
from app.storage.postgres.pool import Pool
from app.wiring import Service
from tests.support.database import Sql
from tests.support.people import PASSWORD, Person, marker, new_person

pytestmark = pytest.mark.requirement("P2")

WRONG = "not the password at all"
VISITOR = Visitor("192.0.2.1", "tests")


RAISED = HashingPolicy(memory_kib=24_576, time_cost=3, threads=1)
LOWERED = HashingPolicy(memory_kib=8, time_cost=1, threads=1)


class Work:
    """Records every Argon2 computation with its parameters, and every statement that Postgres receives."""

    def __init__(self, parts: Service, monkeypatch: pytest.MonkeyPatch) -> None:
        self.done: list[str] = []
        derive = bindings.crypto_pwhash_alg

        def counted(size: int, secret: bytes, salt: bytes, passes: int, memory: int, kind: int) -> bytes:
            self.done.append(f"argon2id m={memory // 1024} t={passes}")
            return derive(size, secret, salt, passes, memory, kind)

        monkeypatch.setattr(bindings, "crypto_pwhash_alg", counted)

        async def watched(pool: Pool) -> Connection:
            connection = await take(pool)
            connection.add_query_logger(self._statement)
            return connection

        take = Pool.take
        monkeypatch.setattr(Pool, "take", watched)

    def _statement(self, record: Any) -> None:
        self.done.append(record.query)

    async def of(self, attempt: Callable[[], Any]) -> tuple[Refusal, list[str]]:
        self.done.clear()
        with pytest.raises(Refused) as refused:
            await attempt()
        # asyncpg reports a statement in the next iteration of the event loop.
        await asyncio.sleep(0.01)
        return refused.value.refusal, sorted(self.done)


async def test_every_refused_login_verifies_one_hash_and_runs_the_same_queries(
    parts: Service, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    known, disabled, broken = (
        await new_person(sql),
        await new_person(sql),
        await new_person(sql, password_hash="!"),
    )
    await sql.execute("UPDATE accounts SET enabled = false WHERE id = $1", disabled.id)
    unknown = Person(known.id, f"{marker()}@example.com")
    work = Work(parts, monkeypatch)

    def attempt(person: Person, password: str = WRONG) -> Callable[[], Any]:
        return lambda: parts.use_cases.login(person.email, password, ClientKind.NATIVE, VISITOR)

    refusal, expected = await work.of(attempt(known))
    assert refusal is Refusal.INVALID_CREDENTIALS
    assert [done for done in expected if done.startswith("argon2id")] == ["argon2id m=19456 t=2"]
    assert any("FROM accounts WHERE email" in done for done in expected)
    for person, password in ((unknown, WRONG), (unknown, PASSWORD), (disabled, WRONG), (broken, WRONG)):
        assert await work.of(attempt(person, password)) == (refusal, expected), person
    # With the right password a disabled account is reported as disabled, at the same cost.
    assert await work.of(attempt(disabled, PASSWORD)) == (Refusal.ACCOUNT_DISABLED, expected)


@pytest.mark.parametrize("policy", [RAISED, LOWERED], ids=["raised", "lowered"])
async def test_after_a_change_of_cost_an_unknown_account_costs_what_a_known_one_does(
    parts: Service, sql: Sql, monkeypatch: pytest.MonkeyPatch, policy: HashingPolicy
) -> None:
    await sql.execute("DELETE FROM accounts")
    known = [await new_person(sql) for _ in range(3)]
    unknown = [Person(known[0].id, f"{marker()}@example.com") for _ in range(10)]
    hasher = PasswordHasher(policy)
    login = replace(parts.use_cases.login, guesses=replace(parts.use_cases.login.guesses, hasher=hasher))
    await login.decoys.load()
    work = Work(parts, monkeypatch)

    def attempt(person: Person, password: str) -> Callable[[], Any]:
        return lambda: login(person.email, password, ClientKind.NATIVE, VISITOR)

    # A password that is not in NFKC costs no second computation.
    for password in (WRONG, f"{WRONG} e\u0301"):
        refusal, expected = await work.of(attempt(known[0], password))
        assert [done for done in expected if done.startswith("argon2id")] == ["argon2id m=19456 t=2"]
        for person in (*known, *unknown):
            assert await work.of(attempt(person, password)) == (refusal, expected), person
    # Once the accounts are hashed again, the unknown ones cost what they do.
    for person in known:
        await login(person.email, PASSWORD, ClientKind.NATIVE, VISITOR)
    await login.decoys.load()
    await asyncio.sleep(0.01)
    refusal, expected = await work.of(attempt(known[0], WRONG))
    raised = policy is RAISED
    assert ("argon2id m=24576 t=3" in expected) is raised
    for person in unknown:
        assert await work.of(attempt(person, WRONG)) == (refusal, expected), person
    hasher.close()


@pytest.mark.parametrize("version", [1, 2])
async def test_a_device_token_makes_no_difference_between_known_and_unknown_accounts(
    parts: Service, sql: Sql, monkeypatch: pytest.MonkeyPatch, version: int
) -> None:
    known = await new_person(sql)
    unknown = Person(known.id, f"{marker()}@example.com")
    work = Work(parts, monkeypatch)

    def attempt(person: Person) -> Callable[[], Any]:
        device = parts.core.crypto.devices.remember(None, canonical_email(person.email), version)
        return lambda: parts.use_cases.login(person.email, WRONG, ClientKind.NATIVE, VISITOR, device)

    assert await work.of(attempt(unknown)) == await work.of(attempt(known))
