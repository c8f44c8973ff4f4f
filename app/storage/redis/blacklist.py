"""The blacklist in Redis: an index of Postgres's revocations that answers within one round trip.

It is believed only while its marker holds the ``run_id`` of the server that answers: a server that was
flushed, restarted or failed over has lost the marker or has another ``run_id``. Where it cannot be
believed it says so, and Postgres answers: no state of Redis revokes or restores anything.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import timedelta
from secrets import token_hex
from typing import Any
from urllib.parse import parse_qs, urlsplit

import redis.asyncio
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

TIMEOUT = 0.05
"""Seconds that a reply may take before Postgres is asked instead."""

# One hash tag, so that a cluster keeps all keys together and answers them together.
_PREFIX = "{watchword}:blacklist:"
_MARKER = "{watchword}:marker"
_NONCE = "{watchword}:nonce:"
_NONCE_SECONDS = 60
_CHUNK = 500
_FAILURES = (RedisError, OSError)
_OPTIONS = {"db", "ssl_ca_certs", "ssl_certfile", "ssl_keyfile"}

# The nonce was set before the entries were read: if it is gone, so may be some of them.
_MARK = """
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
redis.call('DEL', KEYS[1])
redis.call('SET', KEYS[2], ARGV[1])
return 1
"""


class Blacklist:
    """Revoked ids in Redis, as far as this process can believe it."""

    def __init__(self, url: str) -> None:
        """Take the server's URL, ValueError when it is none; nothing is sent before the first use."""
        self._run_id: bytes | None = None
        self._believed = False
        self._distrusted = 0
        self._redis = redis.asyncio.Redis.from_url(
            _checked(url),
            socket_timeout=TIMEOUT,
            socket_connect_timeout=TIMEOUT,
            retry=Retry(NoBackoff(), 0),
            redis_connect_func=self._on_connect,
            driver_info=None,
        )

    @property
    def is_believed(self) -> bool:
        """Whether the last exchange with Redis left it trustworthy."""
        return self._believed

    async def find(self, ids: Sequence[str]) -> bool | None:
        """Whether one of the ids is revoked, or None when Redis cannot tell."""
        if not self._believed:
            return None
        try:
            *entries, marker = await self._redis.mget([*(_PREFIX + entry for entry in ids), _MARKER])
        except _FAILURES:
            self._distrust()
            return None
        if marker != self._run_id:
            self._distrust()
            return None
        return any(entry is not None for entry in entries)

    async def add(self, entries: Mapping[str, timedelta]) -> bool:
        """Enter ids, each for its time; after a failed or refused write reads do not believe Redis either."""
        try:
            await self._write(entries)
        except _FAILURES:
            self._distrust()
            return False
        return True

    async def rebuild(self, live: Callable[[], Awaitable[Mapping[str, timedelta]]]) -> bool:
        """Enter everything that Postgres holds and set the marker; answers whether Redis can be believed.

        ``live`` reads Postgres, and is called after a nonce was left here: if the nonce is gone at the end,
        entries may be gone too, and there is no marker. A write of ours that failed meanwhile counts alike.
        A server that may evict keys is never believed.
        """
        distrusted = self._distrusted
        nonce = _NONCE + token_hex(16)
        try:
            memory: dict[str, Any] = await self._redis.info("memory")
            evicts = memory.get("maxmemory_policy") != "noeviction"
            await self._redis.set(nonce, 1, ex=_NONCE_SECONDS)
            # A restart may bring the nonce back from disk, but never the old run_id.
            run_id = self._run_id or b""
            await self._write(await live())
            marked = await self._redis.eval(_MARK, 2, nonce, _MARKER, run_id)
        except _FAILURES:
            self._distrust()
            return False
        except BaseException:
            # Postgres could not be read, so that nobody knows what is missing here.
            self._distrust()
            raise
        undisturbed = distrusted == self._distrusted and run_id == self._run_id
        self._believed = marked == 1 and not evicts and undisturbed
        return self._believed

    async def close(self) -> None:
        """Close the connections."""
        await self._redis.aclose()

    def _distrust(self) -> None:
        self._believed = False
        self._distrusted += 1

    async def _write(self, entries: Mapping[str, timedelta]) -> None:
        items = list(entries.items())
        for start in range(0, len(items), _CHUNK):
            async with self._redis.pipeline(transaction=False) as pipeline:
                for entry, remaining in items[start : start + _CHUNK]:
                    _ = pipeline.set(_PREFIX + entry, 1, px=max(1, int(remaining.total_seconds() * 1000)))
                await pipeline.execute(raise_on_error=True)

    async def _on_connect(self, connection: Any) -> None:  # noqa: ANN401 - of any of redis-py's kinds
        await connection.on_connect()
        await connection.send_command("INFO", "server")
        reply: bytes = await connection.read_response()
        fields = dict(line.split(b":", 1) for line in reply.splitlines() if b":" in line)
        if b"run_id" not in fields:
            raise RedisError("INFO names no run_id, by which a restart would be seen")
        self._run_id = fields[b"run_id"]


def _checked(url: str) -> str:
    """The URL, if redis-py can read it and it changes nothing that this module relies on."""
    try:
        redis.asyncio.connection.parse_url(url)
        asked = parse_qs(urlsplit(url).query).keys()
    except ValueError:
        # What is wrong may be a piece of the password, so that it is not told.
        raise ValueError(
            "is not of the form redis://user:password@host:port/db; percent-encode the password"
        ) from None
    if foreign := asked - _OPTIONS:
        raise ValueError(
            f"understands {', '.join(sorted(_OPTIONS))} after the question mark, not {min(foreign)}"
        )
    return url
