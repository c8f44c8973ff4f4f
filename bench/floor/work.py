"""What the floors do for each request: the unavoidable, and nothing besides.

The same signature with a key that was parsed once, the same statements through a pool of asyncpg, the same
round trips to Redis through redis-py, the same hash in as many threads. There is no log, no event, no
throttling but the charge of a login, no cookie, no check of the origin, and no retry.
"""

import asyncio
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from secrets import token_bytes, token_urlsafe
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import orjson
import redis.asyncio
from argon2 import PasswordHasher
from cryptography.exceptions import InvalidSignature

from bench.floor import statements
from bench.floor.keys import Keys

AGENT, ADDRESS = "bench/1.0", "127.0.0.1"
_LIFETIME, _PREFIX, _REVOKED = 900, "wwr_", "floor:revoked:"
_REVOKED_SECONDS = 960


class Unauthorized(Exception):
    """The credentials are wrong."""


class Work:
    """The handlers of both floors."""

    def __init__(
        self, pool: "asyncpg.Pool[Any]", client: redis.asyncio.Redis, keys: Keys, issuer: str
    ) -> None:
        self._pool, self._redis, self._keys, self._issuer = pool, client, keys, issuer
        self._hasher, self._threads = PasswordHasher(), ThreadPoolExecutor(1)
        self.key_set, self.etag = keys.document, keys.etag

    async def login(self, email: str, password: str) -> bytes:
        """Open a session with a password."""
        budgets = (f"floor:account:{email}", f"floor:address:{ADDRESS}", "floor:everyone")
        if await self._redis.eval(statements.CHARGE, 3, *budgets, 20, 100, 600):
            raise Unauthorized
        account = await self._pool.fetchrow(statements.ACCOUNT, email)
        if account is None:
            raise Unauthorized
        verify, loop = self._hasher.verify, asyncio.get_running_loop()
        await loop.run_in_executor(self._threads, verify, account["password_hash"], password)
        session_id = uuid4()
        text, digest = _written(session_id, 0, token_bytes(16))
        row = await self._pool.fetchrow(
            statements.OPEN, session_id, account["id"], account["password_version"], digest, ADDRESS, AGENT
        )
        if row is None:
            raise Unauthorized
        await self._redis.eval(statements.SETTLE, 3, *budgets)
        return self._pair(row, text)

    async def refresh(self, token: str) -> bytes:
        """Exchange a refresh token for its successor."""
        session_id, generation, seed = _read(token)
        text, digest = _written(session_id, generation + 1, seed)
        presented = sha256(token.encode()).digest()
        row = await self._pool.fetchrow(
            statements.ROTATE, session_id, presented, generation, digest, ADDRESS, AGENT
        )
        if row is None:
            raise Unauthorized
        return self._pair(row, text)

    async def logout(self, token: str) -> None:
        """End the session of a refresh token."""
        session_id, _, _ = _read(token)
        await self._end(session_id, sha256(token.encode()).digest(), [])

    async def logout_by_bearer(self, token: str) -> None:
        """End the session of an access token."""
        claims = self._claims(token)
        await self._end(UUID(claims["sid"]), None, [claims["jti"]])

    async def me(self, token: str, *, asks_redis: bool = True) -> bytes:
        """Answer the account of an access token that neither Redis nor Postgres knows as revoked."""
        claims = self._claims(token)
        revocable = [claims["jti"], claims["sid"], self._keys.kid]
        if asks_redis and any(await self._redis.mget([_REVOKED + each for each in revocable])):
            raise Unauthorized
        row = await self._pool.fetchrow(statements.ME, UUID(claims["sub"]), UUID(claims["sid"]), revocable)
        if row is None:
            raise Unauthorized
        return orjson.dumps(
            {
                "id": str(row["id"]),
                "email": row["email"],
                "roles": row["roles"],
                "created_at": row["created_at"],
            }
        )

    async def _end(self, session_id: UUID, digest: bytes | None, token_ids: list[str]) -> None:
        rows = await self._pool.fetch(statements.END, session_id, digest, token_ids)
        if not rows:
            raise Unauthorized
        keys = [_REVOKED + row["id"] for row in rows]
        await self._redis.eval(statements.REVOKE, len(keys), *keys, _REVOKED_SECONDS)

    def _pair(self, row: asyncpg.Record, refresh_token: str) -> bytes:
        now = int(time.time())
        claims = {
            "iss": self._issuer,
            "aud": self._issuer,
            "sub": str(row["account_id"]),
            "iat": now,
            "nbf": now - 30,
            "exp": now + _LIFETIME,
            "jti": token_urlsafe(16),
            "sid": str(row["id"]),
            "client_id": row["client"],
            "auth_time": int(row["created_at"].timestamp()),
            "amr": row["amr"],
        }
        return orjson.dumps(
            {
                "access_token": self._keys.sign(orjson.dumps(claims)),
                "token_type": "Bearer",
                "expires_in": _LIFETIME,
                "refresh_token": refresh_token,
                "refresh_expires_in": int(row["expires_at"].timestamp()) - now,
            }
        )

    def _claims(self, token: str) -> dict[str, Any]:
        try:
            claims: dict[str, Any] = orjson.loads(self._keys.verify(token))
        except (InvalidSignature, ValueError):
            raise Unauthorized from None
        if claims["iss"] != self._issuer or claims["aud"] != self._issuer or claims["exp"] < time.time():
            raise Unauthorized
        return claims


def _read(token: str) -> tuple[UUID, int, bytes]:
    """The session, the generation and the seed, where the service's own tokens have them."""
    raw = urlsafe_b64decode(token.removeprefix(_PREFIX))
    return UUID(bytes=raw[5:21]), int.from_bytes(raw[21:25], "big"), raw[25:41]


def _written(session_id: UUID, generation: int, seed: bytes) -> tuple[str, bytes]:
    """A token of the same length as the service's, without its mac, and its digest."""
    raw = b"\1    " + session_id.bytes + generation.to_bytes(4, "big") + seed + token_bytes(16)
    text = _PREFIX + urlsafe_b64encode(raw).decode()
    return text, sha256(text.encode()).digest()
