"""What a browser sends and is handed: its cookies, looked at from outside."""

from dataclasses import dataclass

import asyncpg
import httpx

from tests.people import Person, login
from tests.sql import Sql

COOKIE = "__Host-refresh_token"
DEVICE = "__Host-device"


@dataclass(frozen=True, slots=True)
class SetCookie:
    """One ``Set-Cookie``; attributes are in lower case, and a flag's value is empty."""

    name: str
    value: str
    attributes: dict[str, str]


def cookies_of(answer: httpx.Response) -> list[SetCookie]:
    return [_parsed(header) for header in answer.headers.get_list("set-cookie")]


def _parsed(header: str) -> SetCookie:
    (name, _, value), *attributes = (part.strip().partition("=") for part in header.split(";"))
    named = {attribute.lower(): text for attribute, _, text in attributes}
    assert len(named) == len(attributes), header
    return SetCookie(name, value, named)


def cookie_of(answer: httpx.Response, name: str = COOKIE) -> str:
    """The refresh token, or what else the answer sets in the one cookie of this name."""
    (cookie,) = [cookie for cookie in cookies_of(answer) if cookie.name == name]
    return cookie.value


def with_cookie(*tokens: str) -> dict[str, str]:
    """The header of a browser that holds these cookies of our name, among others."""
    ours = [f"{COOKIE}={token}" for token in tokens]
    return {"Cookie": "; ".join(["theme=dark", *ours, "refresh_token=another"])}


def bearing(access_token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {access_token}"}


async def browser_login(client: httpx.AsyncClient, person: Person) -> tuple[str, str]:
    """Sign in as a browser does; the refresh token of the cookie, and the access token."""
    answer = await login(client, person, kind="browser")
    assert answer.status_code == 200, answer.text
    return cookie_of(answer), answer.json()["access_token"]


async def browser_refresh(client: httpx.AsyncClient, refresh_token: str) -> httpx.Response:
    return await client.post("/refresh", headers=with_cookie(refresh_token))


async def sessions_of(sql: Sql, person: Person) -> list[asyncpg.Record]:
    """The person's sessions, every column: equal before and after if a request changed nothing."""
    return await sql.fetch("SELECT * FROM sessions WHERE account_id = $1 ORDER BY created_at", person.id)
