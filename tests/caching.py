"""Verifiers that keep the key set as long as such verifiers do, in a time that a test shifts.

The verifiers' own clocks are not shifted, so none of them finds by itself that its cache is too old: when
the cache time has passed in shifted time, a new client takes the place of the old one. Within that time
the client is the same one, and can believe only keys that were published when it fetched them.
"""

import json
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from typing import TypeAlias

import httpx
import joserfc.jwt
import jwt
from joserfc.jwk import KeySet
from joserfc.jwt import ClaimsOption

from tests.connections import Connection
from tests.sql import Sql
from tests.verifiers import INTEROP, VERIFIERS

ALGORITHMS = ["RS256", "ES256"]
AGE = """UPDATE signing_keys SET created_at = created_at - $1::interval,
    activated_at = activated_at - $1::interval, superseded_at = superseded_at - $1::interval"""

Client: TypeAlias = Callable[[str], None]
"""Believes a token, or raises."""


class ShiftedTime:
    """The time of the keys and of the caches: it passes when the keys are made older."""

    def __init__(self, sql: Sql) -> None:
        self._sql = sql
        self.passed = timedelta()

    async def passes(self, by: timedelta) -> None:
        # First for the caches: in between, keys might change that in this order they are not too old for.
        self.passed += by
        await self._sql.execute(AGE, by)


class Cache:
    """A verifier that keeps for so long what it has fetched."""

    def __init__(self, lifetime: timedelta, time: ShiftedTime, opened: Callable[[], Client]) -> None:
        self._lifetime = lifetime
        self._time = time
        self._opened = opened
        self._client: Client | None = None
        self._opened_at = timedelta()

    def check(self, token: str) -> None:
        if self._client is None or self._time.passed - self._opened_at >= self._lifetime:
            self._client, self._opened_at = self._opened(), self._time.passed
        self._client(token)


@contextmanager
def caches(key_set_url: str, issuer: str, time: ShiftedTime) -> Iterator[list[Cache]]:
    """PyJWT and npm's jose as they are by default, and joserfc with nothing kept, or for long."""
    with ExitStack() as stack:
        # Each request on a connection of its own, so that any worker may answer it.
        limits = httpx.Limits(max_keepalive_connections=0)
        http = stack.enter_context(httpx.Client(trust_env=False, limits=limits))

        def by_joserfc() -> Client:
            return _joserfc(http.get(key_set_url).raise_for_status(), issuer)

        clients: list[tuple[timedelta, Callable[[], Client]]] = [
            (timedelta(), by_joserfc),
            (timedelta(minutes=5), by_joserfc),  # What Cache-Control allows.
            (timedelta(hours=1), by_joserfc),
            (timedelta(minutes=5), lambda: _pyjwt(key_set_url, issuer)),
        ]
        if "npm jose" in VERIFIERS:
            process = stack.enter_context(_node("caching.mjs", key_set_url, issuer, issuer))
            clients.append((timedelta(minutes=10), lambda: _npm_jose(process)))
        yield [Cache(lifetime, time, opened) for lifetime, opened in clients]


async def published_by(worker: Connection) -> tuple[str, bytes]:
    """The key set's validator and its bytes, from the worker at the other end."""
    worker._writer.write(b"GET /.well-known/jwks.json HTTP/1.1\r\nHost: localhost\r\n\r\n")
    head = (await worker._reader.readuntil(b"\r\n\r\n")).decode().lower().splitlines()
    fields = dict(line.split(": ", 1) for line in head[1:] if line)
    assert head[0].split()[1] == "200", head
    return fields["etag"], await worker._reader.readexactly(int(fields["content-length"]))


def kids_in(key_set: bytes) -> set[str]:
    return {key["kid"] for key in json.loads(key_set)["keys"]}


@contextmanager
def _node(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    assert (INTEROP / "node_modules" / "jose").is_dir(), f"run: npm ci --prefix {INTEROP}"
    with subprocess.Popen(
        ["node", *arguments], cwd=INTEROP, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def _joserfc(published: httpx.Response, issuer: str) -> Client:
    keys = KeySet.import_key_set(published.json())
    member: ClaimsOption = {"essential": True, "value": issuer}
    claims = joserfc.jwt.JWTClaimsRegistry(iss=member, aud=member, exp={"essential": True})

    def believe(token: str) -> None:
        claims.validate(joserfc.jwt.decode(token, keys, algorithms=ALGORITHMS).claims)

    return believe


def _pyjwt(key_set_url: str, issuer: str) -> Client:
    keys = jwt.PyJWKClient(key_set_url)

    def believe(token: str) -> None:
        key = keys.get_signing_key_from_jwt(token)
        jwt.decode(token, key, algorithms=ALGORITHMS, issuer=issuer, audience=issuer)

    return believe


def _npm_jose(process: subprocess.Popen[str]) -> Client:
    """The process runs on, with a client of its own that is new."""
    assert process.stdin is not None
    assert process.stdout is not None
    asked, answered = process.stdin, process.stdout
    asked.write("\n")

    def believe(token: str) -> None:
        asked.write(f"{token}\n")
        asked.flush()
        answer = json.loads(answered.readline())
        assert answer == {"kid": jwt.get_unverified_header(token)["kid"]}

    return believe
