"""People for the tests: accounts with a known password, and what they do over HTTP."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx2
from argon2 import PasswordHasher

from tests.support.database import Sql

PASSWORD = "correct battery staple horse"
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
    client: httpx2.AsyncClient, person: Person, *, kind: str = "native", password: str = PASSWORD
) -> httpx2.Response:
    return await client.post("/login", json={"email": person.email, "password": password, "client": kind})


async def refresh(client: httpx2.AsyncClient, refresh_token: str) -> httpx2.Response:
    return await client.post("/refresh", json={"refresh_token": refresh_token})


async def me(client: httpx2.AsyncClient, access_token: str) -> httpx2.Response:
    return await client.get("/me", headers={"Authorization": f"Bearer {access_token}"})


# The issuer of the tests is on http and localhost, so these are the cookies of development.
COOKIE = "refresh_token_8000"
DEVICE = "device_8000"


@dataclass(frozen=True, slots=True)
class SetCookie:
    """One ``Set-Cookie``; attributes are in lower case, and a flag's value is empty."""

    name: str
    value: str
    attributes: dict[str, str]


def cookies_of(answer: httpx2.Response) -> list[SetCookie]:
    return [_parsed(header) for header in answer.headers.get_list("set-cookie")]


def _parsed(header: str) -> SetCookie:
    (name, _, value), *attributes = (part.strip().partition("=") for part in header.split(";"))
    named = {attribute.lower(): text for attribute, _, text in attributes}
    assert len(named) == len(attributes), header
    return SetCookie(name, value, named)


def cookie_of(answer: httpx2.Response, name: str = COOKIE) -> str:
    """The refresh token, or what else the answer sets in the one cookie of this name."""
    (cookie,) = [cookie for cookie in cookies_of(answer) if cookie.name == name]
    return cookie.value


def with_cookie(*tokens: str) -> dict[str, str]:
    """The header of a browser that holds these cookies of our name, among others."""
    ours = [f"{COOKIE}={token}" for token in tokens]
    return {"Cookie": "; ".join(["theme=dark", *ours, "refresh_token=another"])}


def bearing(access_token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {access_token}"}


async def browser_login(client: httpx2.AsyncClient, person: Person) -> tuple[str, str]:
    """Sign in as a browser does; the refresh token of the cookie, and the access token."""
    answer = await login(client, person, kind="browser")
    assert answer.status_code == 200, answer.text
    return cookie_of(answer), answer.json()["access_token"]


async def browser_refresh(client: httpx2.AsyncClient, refresh_token: str) -> httpx2.Response:
    return await client.post("/refresh", headers=with_cookie(refresh_token))


async def sessions_of(sql: Sql, person: Person) -> list[asyncpg.Record]:
    """The person's sessions, every column: equal before and after if a request changed nothing."""
    return await sql.fetch("SELECT * FROM sessions WHERE account_id = $1 ORDER BY created_at", person.id)


MEMBERS = {"type", "title", "status", "code", "detail"}


def problem_of(answer: httpx2.Response, status: int, code: str) -> dict[str, Any]:
    """The problem in an answer, after a look at all that problems have in common."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["cache-control"] == "no-store"
    problem: dict[str, Any] = answer.json()
    assert problem.keys() - {"errors"} == MEMBERS
    assert (problem["type"], problem["status"], problem["code"]) == ("about:blank", status, code)
    assert problem["title"]
    assert problem["detail"]
    return problem


def marker() -> str:
    """A text that no answer contains by itself."""
    return f"zq{uuid4().hex}"


def everything(answer: httpx2.Response) -> str:
    """All that a client receives, to look for what must not be in it."""
    lines = [f"{name.decode('latin-1')}: {value.decode('latin-1')}" for name, value in answer.headers.raw]
    return "\n".join([answer.reason_phrase, *lines, answer.text]).lower()
