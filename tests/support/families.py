"""Families of refresh tokens: the model of how they ought to behave, and the way to the real ones.

The model knows three things of a session: its row, its end, and whether it was revoked. Its time is its
own, in whole seconds, and passes when the columns are shifted back. The limits are minutes and days apart,
so that the moments which a test really takes decide nothing.
"""

import asyncio
import math
from base64 import urlsafe_b64decode
from collections.abc import Coroutine, Iterable, Iterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, TypeVar

import asyncpg
import httpx2

from app.crypto.refresh_tokens import RefreshTokens
from app.crypto.secrets import ServiceSecrets
from app.settings import Settings
from app.wiring import open_service
from tests.support.database import Sql, connect
from tests.support.people import COOKIE, Person, me
from tests.support.servers import TEST_SECRET, Service
from tests.support.waiting import client_of

DAY = 86_400
GRACE, IDLE, ABSOLUTE = 60, 2 * DAY, 3 * DAY
LIMITS = {
    "AUTH_REFRESH_GRACE": str(GRACE),
    "AUTH_SESSION_IDLE_TTL": str(IDLE),
    "AUTH_SESSION_TTL": str(ABSOLUTE),
}
REMEMBERED = 4
KINDS = ("native", "browser")
TOKENS = RefreshTokens(ServiceSecrets([urlsafe_b64decode(TEST_SECRET)]))
VERDICTS = {
    "session_revoked",
    "refresh_token_expired",
    "refresh_token_invalid",
    "rotated",
    "ahead",
    "retried",
    "retried late",
    "refresh_token_reused",
}
SHIFT = """
UPDATE sessions SET created_at = created_at - $2::interval, refreshed_at = refreshed_at - $2::interval,
    -- What is over for a day may be purged; what is over stays over.
    expires_at = greatest(expires_at - $2::interval, now() - interval '12 hours'),
    superseded_at = ARRAY(
        SELECT date - $2::interval FROM unnest(superseded_at) WITH ORDINALITY AS u (date, n) ORDER BY n)
WHERE account_id = $1
"""
SHIFT_ACCOUNT = "UPDATE accounts SET sessions_ended_at = sessions_ended_at - $2::interval WHERE id = $1"
SET_BACK = """
UPDATE sessions SET generation = $2, refresh_token_hash = $3, superseded_at = $4, refreshed_at = $5,
    rotated_by = $6
WHERE id = $1
"""
# The release before schema 0005 knows no keys, and leaves what it finds of one.
ROTATION_BEFORE = """
UPDATE sessions SET generation = $3::bigint + 1, refresh_token_hash = $2, refreshed_at = clock_timestamp(),
    superseded_at = (ARRAY[clock_timestamp()]
        || array_fill(refreshed_at, ARRAY[least($3::bigint - generation, 4)::int]) || superseded_at)[1:4]
WHERE id = $1
"""
ROWS = "SELECT *, sessions::text AS text FROM sessions WHERE account_id = $1"
Records = Mapping[str, asyncpg.Record]
T = TypeVar("T")


@dataclass(frozen=True)
class Row:
    """The part of a session's row that a failover may set back; ``superseded`` dates generations.

    ``rotated_by`` is the generation of the token that the last rotation with or without a key superseded, and
    that key. The release before leaves it as it was.
    """

    generation: int
    refreshed: int
    superseded: Mapping[int, int]
    rotated_by: tuple[int, str | None] = (0, None)

    def rotated(self, generation: int, now: int, rotated_by: tuple[int, str | None]) -> "Row":
        """Supersede a generation, and those before it of which a set-back row knows nothing.

        These count from when the row was last refreshed: the earliest that it can have been.
        """
        lost = dict.fromkeys(range(self.generation, generation), self.refreshed)
        dates = {**self.superseded, **lost, generation: now}
        kept = {number: date for number, date in dates.items() if number > generation - REMEMBERED}
        return Row(generation + 1, now, kept, rotated_by)


@dataclass
class Family:
    """A session with what was issued for it: refresh tokens by generation, and some access tokens."""

    id: str
    kind: str
    row: Row
    ends: int
    tokens: list[str]
    access: list[str]
    keys: dict[int, str | None] = field(default_factory=dict)
    backups: list[tuple[Row, asyncpg.Record, int]] = field(default_factory=list)
    revoked: bool = False

    @classmethod
    def opened(cls, answer: httpx2.Response, kind: str, now: int) -> "Family":
        """The family of a login's answer."""
        text = refresh_token_in(answer, kind)
        token = TOKENS.read(text)
        assert token is not None
        assert token.generation == 0
        row = Row(0, now, {})
        return cls(str(token.session_id), kind, row, now + ABSOLUTE, [text], [answer.json()["access_token"]])

    @property
    def current(self) -> int:
        """The current generation, or the newest known one when the answer with the current was lost."""
        return min(self.row.generation, len(self.tokens) - 1)

    def usable(self, now: int) -> bool:
        return self.judged(self.row.generation, self.kind, now) == "rotated"

    def judged(self, generation: int, kind: str, now: int, key: str | None = None) -> str:
        """What must become of a genuine token of this generation, presented the way of this kind."""
        if self.revoked:
            return "session_revoked"
        if now >= min(self.ends, self.row.refreshed + IDLE):
            return "refresh_token_expired"
        standing = self._standing(generation, now, key)
        return (
            "refresh_token_invalid" if kind != self.kind and standing != "refresh_token_reused" else standing
        )

    def _standing(self, generation: int, now: int, key: str | None) -> str:
        if generation >= self.row.generation:
            return "rotated"
        if now < self.row.superseded.get(generation, -math.inf) + GRACE:
            return "retried"
        is_parent = generation == self.row.generation - 1
        repeats = key is not None and self.row.rotated_by == (generation, key)
        return "retried late" if is_parent and repeats else "refresh_token_reused"

    def issued(self, answer: httpx2.Response, *, lost: bool) -> None:
        """Tokens came back, or would have; of the access tokens the first and the newest are enough."""
        text = refresh_token_in(answer, self.kind)
        if lost:
            return
        self.take(text)
        self.access = [*self.access[:1], answer.json()["access_token"]]

    def take(self, text: str) -> None:
        """Keep the current refresh token."""
        if self.row.generation == len(self.tokens):
            self.tokens.append(text)
        assert text == self.tokens[self.row.generation], "the family forked"

    def mark(self) -> bytes | None:
        """What the row must keep of a key."""
        superseded, key = self.row.rotated_by
        token = TOKENS.read(self.tokens[superseded])
        assert token is not None
        return None if key is None else TOKENS.mark(token, key)

    def secrets(self) -> Iterator[str]:
        """What must not be found in the database: a token as text, its seed and its mac; a key."""
        for key in filter(None, self.keys.values()):
            yield from (key, key.encode().hex())
        for token in self.tokens:
            text = token.removeprefix("wwr_")
            raw = urlsafe_b64decode(text)
            yield from (text, raw[25:41].hex(), raw[41:].hex())


class World:
    """The service as a process, and the test's own ways into its database and to its operator."""

    def __init__(self, service: Service) -> None:
        self._runner = asyncio.Runner(loop_factory=asyncio.new_event_loop)
        self._stack = AsyncExitStack()
        self.run(self._open(service))

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self._runner.run(work)

    async def _open(self, service: Service) -> None:
        enter = self._stack.enter_async_context
        names = {name.removeprefix("AUTH_").lower(): value for name, value in service.environment.items()}
        self.operator = (await enter(open_service(Settings.model_validate(names)))).accounts
        self.sql = await connect(service.environment["AUTH_DATABASE_URL"])
        self._stack.push_async_callback(self.sql.close)
        self.client = await enter(client_of(service))

    def close(self) -> None:
        self.run(self._stack.aclose())
        self._runner.close()

    async def post(self, path: str, token: str, kind: str, key: str | None = None) -> httpx2.Response:
        headers = {} if key is None else {"Idempotency-Key": key}
        if kind == "browser":
            return await self.client.post(path, headers=headers | {"Cookie": f"{COOKIE}={token}"})
        return await self.client.post(path, headers=headers, json={"refresh_token": token})

    def refresh(self, token: str, kind: str, times: int = 1, key: str | None = None) -> list[httpx2.Response]:
        async def at_once() -> list[httpx2.Response]:
            return await asyncio.gather(*(self.post("/refresh", token, kind, key) for _ in range(times)))

        return self.run(at_once())

    def me(self, access_tokens: Iterable[str]) -> list[httpx2.Response]:
        async def at_once() -> list[httpx2.Response]:
            return await asyncio.gather(*(me(self.client, token) for token in access_tokens))

        return self.run(at_once())

    def log_out(self, token: str, kind: str) -> None:
        assert self.run(self.post("/logout", token, kind)).status_code == 204

    def records(self, person: Person) -> Records:
        """The rows of all sessions of an account, by id, with each row as one text besides."""
        found = self.run(self.sql.fetch(ROWS, person.id))
        return {str(record["id"]): record for record in found}

    def shift(self, person: Person, seconds: int) -> None:
        for statement in (SHIFT, SHIFT_ACCOUNT):
            self.run(self.sql.execute(statement, person.id, timedelta(seconds=seconds)))

    def set_back(self, record: asyncpg.Record, seconds: int) -> None:
        """Make a row what it was these seconds ago, but for its revocation."""
        passed = timedelta(seconds=seconds)
        change = (
            record["generation"],
            record["refresh_token_hash"],
            [date - passed for date in record["superseded_at"]],
            record["refreshed_at"] - passed,
            record["rotated_by"],
        )
        self.run(self.sql.execute(SET_BACK, record["id"], *change))


async def rotate_as_before(sql: Sql, text: str) -> str:
    """Rotate as a replica of the release before schema 0005 does; the successor."""
    token = TOKENS.read(text)
    assert token is not None
    successor = TOKENS.at(token, token.generation + 1)
    await sql.execute(ROTATION_BEFORE, token.session_id, successor.digest, token.generation)
    return successor.text


def refresh_token_in(answer: httpx2.Response, kind: str) -> str:
    """The refresh token of an answer that has to carry it this way and no other."""
    assert answer.status_code == 200, answer.text
    set_cookie, body = answer.headers.get("set-cookie", ""), answer.json()
    assert (kind == "native", kind == "browser") == ("refresh_token" in body, COOKIE in set_cookie)
    return str(body["refresh_token"] if kind == "native" else set_cookie.partition("=")[2].partition(";")[0])


def codes(answers: list[httpx2.Response]) -> list[str]:
    return sorted(str(answer.json()["code"]) for answer in answers)
