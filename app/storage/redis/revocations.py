"""The blacklist in Redis: an index of Postgres's revocations that answers within one round trip.

It is believed only where its marker holds the ``run_id`` of the very server that answers: a server that was
flushed or restarted, a replica, one that was promoted, and a cluster's other node lack the marker or have
another ``run_id``. The server compares the two itself, so that it does not matter which connection is used.
Where it cannot be believed it says so, and Postgres answers: no state of Redis revokes or restores anything.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from enum import Enum
from secrets import token_hex
from typing import Literal, NamedTuple

from redis.exceptions import RedisError

from app.storage.redis.client import LONGEST, open_client

# One hash tag, so that a cluster keeps all keys together and answers them together.
_PREFIX = "{watchword}:blacklist:"
_MARKER = "{watchword}:marker"
_NONCE = "{watchword}:nonce:"
_NONCE_SECONDS = 60
_CHUNK = 500
_ASKERS = 16
_FAILURES = (RedisError, OSError, TimeoutError)

# Of a primary; a replica may lack what its primary has, and a primary that was made one what its heir has.
_RUN_ID = """
local info = redis.call('INFO', 'server', 'replication')
local run_id = string.find(info, 'role:master', 1, true) and string.match(info, 'run_id:(%w+)')
"""
# KEYS: the marker, and the entries asked for. Values decide, never a count. Because of its first line the
# server refuses the script wherever it would refuse a write, and so wherever entries may be missing.
_FIND = f"""#!lua
{_RUN_ID}
local answers = redis.call('MGET', unpack(KEYS))
if not run_id or answers[1] ~= run_id then return -1 end
for number = 2, #KEYS do if answers[number] then return 1 end end
return 0
"""
# KEYS: the entries. ARGV: how many milliseconds each of them lives.
_ADD = "for number, key in ipairs(KEYS) do redis.call('SET', key, 1, 'PX', ARGV[number]) end"
# KEYS: the nonce, bound to this run of the server, since a restart may bring it back from disk.
_BEGIN = f"{_RUN_ID} redis.call('SET', KEYS[1], run_id or '', 'EX', ARGV[1])"
# KEYS: the nonce, and the marker. The nonce was set before the entries were read: if it is gone, so may
# be some of them.
_MARK = f"""
{_RUN_ID}
local nonce = redis.call('GET', KEYS[1])
redis.call('DEL', KEYS[1])
if not run_id or nonce ~= run_id then return 'disturbed' end
local memory = redis.call('INFO', 'memory')
if not string.find(memory, 'maxmemory_policy:noeviction', 1, true) then return 'evicting' end
redis.call('SET', KEYS[2], run_id)
return 'believed'
"""

# Asked with the marker's key, so that a cluster's answer comes from the node that matters.
_INFO = "return redis.call('INFO', 'server') .. redis.call('INFO', 'memory')"


class IndexState(Enum):
    """What came of a rebuild: only the first one lets Redis answer."""

    BELIEVED = "believed"
    EVICTING = "evicting"
    DISTURBED = "disturbed"
    UNREACHABLE = "unreachable"


class IndexFacts(NamedTuple):
    """What the server says of itself."""

    name: Literal["Redis", "Valkey"]
    version: tuple[int, ...]
    policy: str

    def __str__(self) -> str:
        return f"{self.name} {'.'.join(map(str, self.version))}"


class RevocationIndex:
    """Revoked ids in Redis, as far as this process can believe it."""

    def __init__(self, url: str) -> None:
        """Take the server's URL, ValueError when it is none; nothing is sent before the first use."""
        self._redis = open_client(url)
        self._believed = False
        self._distrusted = 0
        # A burst of questions must not become one of connections.
        self._askers = asyncio.Semaphore(_ASKERS)

    @property
    def is_believed(self) -> bool:
        """Whether the last exchange with Redis left it trustworthy."""
        return self._believed

    async def find(self, ids: Sequence[str]) -> bool | None:
        """Whether one of the ids is revoked, or None when Redis cannot tell.

        Once Redis failed, nothing is asked of it until a rebuild has succeeded.
        """
        if not self._believed:
            return None
        keys = (_MARKER, *(_PREFIX + entry for entry in ids))
        try:
            async with self._askers, asyncio.timeout(LONGEST):
                answer: int = await self._redis.eval(_FIND, len(keys), *keys)
        except _FAILURES:
            self._distrust()
            return None
        if answer < 0:
            self._distrust()
            return None
        return answer == 1

    async def add(self, entries: Mapping[str, timedelta]) -> bool:
        """Enter ids, each for its time; after a failed or refused write reads do not believe Redis either.

        Nor do those of other processes where the marker can be taken away, as when memory is full.
        """
        try:
            await self._write(entries)
        except _FAILURES:
            self._distrust()
            with suppress(*_FAILURES):
                await self._redis.eval("redis.call('DEL', KEYS[1])", 1, _MARKER)
            return False
        return True

    async def rebuild(self, live: Callable[[], Awaitable[Mapping[str, timedelta]]]) -> IndexState:
        """Enter everything that Postgres holds, and set the marker.

        ``live`` reads Postgres, and is called after a nonce was left here: if the nonce is gone at the end,
        entries may be gone too, and there is no marker. A write of ours that failed meanwhile counts alike.
        A server that may evict keys is never believed.
        """
        distrusted, nonce = self._distrusted, _NONCE + token_hex(16)
        try:
            await self._redis.eval(_BEGIN, 1, nonce, _NONCE_SECONDS)
            await self._write(await live())
            answer: bytes = await self._redis.eval(_MARK, 2, nonce, _MARKER)
        except _FAILURES:
            self._distrust()
            return IndexState.UNREACHABLE
        except BaseException:
            # Postgres could not be read, so that nobody knows what is missing here.
            self._distrust()
            raise
        verdict = IndexState(answer.decode()) if distrusted == self._distrusted else IndexState.DISTURBED
        self._believed = verdict is IndexState.BELIEVED
        return verdict

    async def describe(self) -> IndexFacts | None:
        """What the server says of itself; None when it does not answer."""
        try:
            answer: bytes = await self._redis.eval(_INFO, 1, _MARKER)
        except _FAILURES:
            return None
        told = dict(line.split(":", 1) for line in answer.decode().splitlines() if ":" in line)
        version = told.get("valkey_version") or told["redis_version"]
        return IndexFacts(
            "Valkey" if "valkey_version" in told else "Redis",
            tuple(int(number) for number in version.split(".") if number.isdecimal()),
            told["maxmemory_policy"],
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._redis.aclose()

    def _distrust(self) -> None:
        self._believed = False
        self._distrusted += 1

    async def _write(self, entries: Mapping[str, timedelta]) -> None:
        items = list(entries.items())
        for start in range(0, len(items), _CHUNK):
            chunk = items[start : start + _CHUNK]
            keys = [_PREFIX + entry for entry, _ in chunk]
            lives = [max(1, int(remaining.total_seconds() * 1000)) for _, remaining in chunk]
            await self._redis.eval(_ADD, len(keys), *keys, *lives)
