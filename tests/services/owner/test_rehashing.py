"""A login replaces a hash that is outdated, unless the password is changed at the same time."""

from collections.abc import Awaitable, Callable
from dataclasses import replace

import bcrypt
import httpx2
import pytest
from argon2 import PasswordHasher as Argon2
from argon2.low_level import Type
from passlib.hash import django_pbkdf2_sha256

from app.crypto.passwords import HashingPolicy, PasswordHasher
from app.domain.refusals import Refusal, Refused
from app.domain.sessions import ClientKind
from app.domain.visitors import Visitor
from app.services.owner.login import Login
from app.wiring import Service
from tests.support.database import Sql
from tests.support.people import PASSWORD, PASSWORD_HASH, Person, login, new_person

pytestmark = pytest.mark.requirement("P1")

CURRENT = "$argon2id$v=19$m=19456,t=2,p=1$"
VISITOR = Visitor(None, None)


def argon2(*, memory: int = 19_456, passes: int = 2, kind: Type = Type.ID) -> str:
    return Argon2(time_cost=passes, memory_cost=memory, parallelism=1, type=kind).hash(PASSWORD)


OLD = {
    "bcrypt": bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode(),
    "Django's PBKDF2": django_pbkdf2_sha256.using(rounds=1000).hash(PASSWORD),
    "Argon2id with less memory": argon2(memory=8192),
    "Argon2id with fewer passes": argon2(passes=1),
    "Argon2i": argon2(kind=Type.I),
}


async def row(sql: Sql, person: Person) -> tuple[str, int]:
    found = await sql.fetchrow(
        "SELECT password_hash, password_version FROM accounts WHERE id = $1", person.id
    )
    assert found is not None
    return found["password_hash"], found["password_version"]


@pytest.mark.parametrize("scheme", OLD)
async def test_a_login_upgrades_an_old_hash_once_and_ends_no_session(
    client: httpx2.AsyncClient, sql: Sql, scheme: str
) -> None:
    person = await new_person(sql, password_hash=OLD[scheme])
    assert (await login(client, person, password=PASSWORD + "x")).status_code == 401
    assert await row(sql, person) == (OLD[scheme], 1)

    assert (await login(client, person)).status_code == 200
    upgraded, version = await row(sql, person)
    assert upgraded.startswith(CURRENT)
    assert version == 1

    assert (await login(client, person)).status_code == 200
    assert await row(sql, person) == (upgraded, 1)
    assert (await login(client, person, password=PASSWORD + "x")).status_code == 401
    living = "SELECT count(*) FROM sessions WHERE account_id = $1 AND revoked_at IS NULL"
    assert await sql.fetchval(living, person.id) == 2


async def test_a_hash_with_current_or_higher_parameters_is_not_changed(
    client: httpx2.AsyncClient, sql: Sql
) -> None:
    for password_hash in (PASSWORD_HASH, argon2(memory=32_768), argon2(passes=3)):
        person = await new_person(sql, password_hash=password_hash)
        assert (await login(client, person)).status_code == 200
        assert await row(sql, person) == (password_hash, 1)


class Interrupted(PasswordHasher):
    """Awaits an interruption before it makes a new hash."""

    def __init__(self, interrupt: Callable[[], Awaitable[object]]) -> None:
        super().__init__(HashingPolicy(threads=1))
        self._interrupt = interrupt

    async def hash(self, password: str) -> str:
        await self._interrupt()
        return await super().hash(password)


def hashing_with(parts: Service, hasher: PasswordHasher) -> Login:
    login = parts.use_cases.login
    return replace(login, guesses=replace(login.guesses, hasher=hasher))


async def test_a_rehash_needs_no_second_slot(parts: Service, sql: Sql) -> None:
    person = await new_person(sql, password_hash=OLD["bcrypt"])
    use_case = hashing_with(parts, PasswordHasher(HashingPolicy(threads=1)))
    await use_case(person.email, PASSWORD, ClientKind.NATIVE, VISITOR)
    rehashed, version = await row(sql, person)
    assert version == 1
    assert rehashed.startswith("$argon2id$")


async def test_a_password_that_is_changed_during_a_login_is_not_overwritten(parts: Service, sql: Sql) -> None:
    async def change() -> None:
        await parts.accounts.set_password(person.email, "another battery horse staple")

    person = await new_person(sql, password_hash=OLD["bcrypt"])
    use_case = hashing_with(parts, Interrupted(change))
    with pytest.raises(Refused) as refused:
        await use_case(person.email, PASSWORD, ClientKind.NATIVE, VISITOR)
    assert refused.value.refusal is Refusal.INVALID_CREDENTIALS
    changed, version = await row(sql, person)
    assert version == 2
    assert Argon2().verify(changed, "another battery horse staple")
    assert await sql.fetchval("SELECT count(*) FROM sessions WHERE account_id = $1", person.id) == 0
