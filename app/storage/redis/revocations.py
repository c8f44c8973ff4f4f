"""The revocation index in Redis, which answers for Postgres's revocations within one round trip.

The index is trusted only while its marker holds the ``run_id`` of the server that answers. A server that was
flushed or restarted, a replica, a promoted replica and another node of a cluster have no marker, or have
another ``run_id``. The server compares the two itself, so any connection may be used.
While the index is not trusted, Postgres answers: no state of Redis revokes or restores anything.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from enum import Enum
from secrets import token_hex
from typing import Literal, NamedTuple

from app.storage.outages import ReadAgain, words
from app.storage.redis.client import open_client, prefix
from app.storage.redis.errors import FAILURES

_NONCE_SECONDS = 60
_CHUNK = 500
_NO_MARKER = "Redis was restarted, emptied or replaced by a replica"

# False on a replica, which may lack what its primary has. A promotion, which may lose writes, changes it.
_RUN_ID = """
local info = redis.call('INFO', 'server', 'replication')
local run_id = string.find(info, 'role:master', 1, true) and string.match(info, 'run_id:(%w+)')
"""
# KEYS: the marker, and the entries to look for. The values decide, never a count. Because of the first line a
# server that refuses writes, and so may lack entries, refuses the script too.
_FIND = f"""#!lua
{_RUN_ID}
local answers = redis.call('MGET', unpack(KEYS))
if not run_id or answers[1] ~= run_id then return -1 end
for number = 2, #KEYS do if answers[number] then return 1 end end
return 0
"""
# KEYS: the entries. ARGV: the milliseconds that each of them lives.
_ADD = "for number, key in ipairs(KEYS) do redis.call('SET', key, 1, 'PX', ARGV[number]) end"
# KEYS: the nonce. Its value is this run of the server, since a restart may bring the nonce back from disk.
_BEGIN = f"{_RUN_ID} redis.call('SET', KEYS[1], run_id or '', 'EX', ARGV[1])"
# KEYS: the nonce, and the marker. The nonce was set before the entries were read: if the nonce is gone, some
# entries may be gone too.
_MARK = f"""
{_RUN_ID}
local nonce = redis.call('GET', KEYS[1])
redis.call('DEL', KEYS[1])
if not run_id or nonce ~= run_id then return 'disturbed' end
local memory = redis.call('INFO', 'memory')
if not string.find(memory, 'maxmemory_policy:noeviction', 1, true) then return 'evicting' end
redis.call('SET', KEYS[2], run_id)
return 'trusted'
"""

# Run with the marker's key, so that the node that holds the index answers in a cluster.
_INFO = "return redis.call('INFO', 'server') .. redis.call('INFO', 'memory')"


class IndexState(Enum):
    """The result of a rebuild: only the first one lets Redis answer."""

    TRUSTED = "trusted"
    EVICTING = "evicting"
    DISTURBED = "disturbed"
    UNREACHABLE = "unreachable"


class IndexFacts(NamedTuple):
    """The server's program, its version and its eviction policy."""

    name: Literal["Redis", "Valkey"]
    version: tuple[int, ...]
    policy: str

    def __str__(self) -> str:
        return f"{self.name} {'.'.join(map(str, self.version))}"


class RevocationIndex:
    """Revoked ids in Redis, as far as this process can trust it."""

    def __init__(self, url: str, issuer: str, read_again: ReadAgain = lambda: None) -> None:
        """Take the server's URL, ValueError when it is none, and the issuer, which tells deployments apart.

        Nothing is sent before the first use.
        """
        self._redis = open_client(url, read_again=read_again)
        # Each deployment has a marker of its own: the marker says that this deployment's entries are there.
        self._entries, self._marker, self._nonces = (
            f"{prefix(issuer)}{kind}" for kind in ("blacklist:", "marker", "nonce:")
        )
        self._trusted = False
        self.cause: str | None = None
        """Why Redis was last not trusted, in its own words where it answered."""
        self._failures = 0

    @property
    def is_trusted(self) -> bool:
        """Whether Redis was in step after the last exchange with it."""
        return self._trusted

    async def find(self, ids: Sequence[str]) -> bool | None:
        """Return whether one of the ids is revoked, or None when Redis cannot tell.

        After a failure Redis is not asked again until a rebuild has succeeded.
        """
        if not self._trusted:
            return None
        keys = (self._marker, *(self._entries + entry for entry in ids))
        try:
            answer: int = await self._redis.eval(_FIND, len(keys), *keys)
        except FAILURES as error:
            self._distrust(words(error))
            return None
        if answer < 0:
            self._distrust(_NO_MARKER)
            return None
        return answer == 1

    async def add(self, entries: Mapping[str, timedelta]) -> bool:
        """Enter ids, each for its time, and return whether Redis took them all.

        After a failed or refused write this process does not trust Redis for reads. Other processes do not
        either, if the marker can still be deleted, as when memory is full.
        """
        try:
            await self._write(entries)
        except FAILURES as error:
            self._distrust(words(error))
            with suppress(*FAILURES):
                await self._redis.eval("redis.call('DEL', KEYS[1])", 1, self._marker)
            return False
        return True

    async def rebuild(self, live: Callable[[], Awaitable[Mapping[str, timedelta]]]) -> IndexState:
        """Enter everything that Postgres holds, and set the marker.

        ``live`` reads Postgres. A nonce is set in Redis before that: if the nonce is gone at the end, entries
        may be gone too, and the marker is not set. A write of this process that failed meanwhile has the same
        effect. A server that may evict keys is never trusted.
        """
        failures, nonce = self._failures, self._nonces + token_hex(16)
        try:
            await self._redis.eval(_BEGIN, 1, nonce, _NONCE_SECONDS)
            await self._write(await live())
            answer: bytes = await self._redis.eval(_MARK, 2, nonce, self._marker)
        except FAILURES as error:
            self._distrust(words(error))
            return IndexState.UNREACHABLE
        except BaseException:
            # Postgres could not be read, so the index may lack entries.
            self._distrust("Postgres could not be read")
            raise
        state = IndexState(answer.decode()) if failures == self._failures else IndexState.DISTURBED
        self._trusted = state is IndexState.TRUSTED
        return state

    async def describe(self) -> IndexFacts | None:
        """Return the server's facts, or None when it does not answer."""
        try:
            answer: bytes = await self._redis.eval(_INFO, 1, self._marker)
        except FAILURES:
            return None
        info = dict(line.split(":", 1) for line in answer.decode().splitlines() if ":" in line)
        version = info.get("valkey_version") or info["redis_version"]
        return IndexFacts(
            "Valkey" if "valkey_version" in info else "Redis",
            tuple(int(number) for number in version.split(".") if number.isdecimal()),
            info["maxmemory_policy"],
        )

    async def close(self) -> None:
        """Close the connections; a server that is slow to confirm it is no failure."""
        with suppress(*FAILURES):
            await self._redis.aclose()

    def _distrust(self, cause: str) -> None:
        self._trusted, self.cause = False, cause
        self._failures += 1

    async def _write(self, entries: Mapping[str, timedelta]) -> None:
        items = list(entries.items())
        for start in range(0, len(items), _CHUNK):
            chunk = items[start : start + _CHUNK]
            keys = [self._entries + entry for entry, _ in chunk]
            lives = [max(1, int(remaining.total_seconds() * 1000)) for _, remaining in chunk]
            await self._redis.eval(_ADD, len(keys), *keys, *lives)
