"""People for the tests: accounts with a known password, and what they do over HTTP."""

from dataclasses import dataclass
from uuid import UUID, uuid4

import httpx
from argon2 import PasswordHasher

from tests.sql import Sql

PASSWORD = "correct horse battery staple"
PASSWORD_HASH = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1).hash(PASSWORD)


@dataclass(frozen=True, slots=True)
class Person:
    """An account of its own for one test; the password is always ``PASSWORD``."""

    id: UUID
    email: str


async def new_person(sql: Sql, *roles: str, password_hash: str = PASSWORD_HASH) -> Person:
    person = Person(uuid4(), f"{uuid4().hex}@example.com")
    await sql.execute(
        "INSERT INTO accounts (id, email, password_hash, roles) VALUES ($1, $2, $3, $4)",
        person.id,
        person.email,
        password_hash,
        list(roles),
    )
    return person


async def login(
    client: httpx.AsyncClient, person: Person, *, kind: str = "native", password: str = PASSWORD
) -> httpx.Response:
    return await client.post("/login", json={"email": person.email, "password": password, "client": kind})


async def refresh(client: httpx.AsyncClient, refresh_token: str) -> httpx.Response:
    return await client.post("/refresh", json={"refresh_token": refresh_token})


async def me(client: httpx.AsyncClient, access_token: str) -> httpx.Response:
    return await client.get("/me", headers={"Authorization": f"Bearer {access_token}"})
