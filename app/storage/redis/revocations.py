"""The revocation index in Redis, which answers for Postgres's revocations within one round trip.

The index is trusted only while its marker holds the ``run_id`` of the server that answers. A server that was
flushed or restarted, a replica, a promoted replica and another node of a cluster have no marker, or have
another ``run_id``. The server compares the two itself, so any connection may be used.
While the index is not trusted, Postgres answers: no state of Redis revokes or restores anything.

Redis also keeps the position of Postgres up to which it holds everything. So a look enters only what was
revoked since the last look of any process, and a process that starts need not enter all of it again.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from enum import Enum
from secrets import token_hex
from typing import Literal, NamedTuple, TypeAlias

from app.domain.revocations import Changes
from app.storage.outages import ReadAgain, words
from app.storage.redis import revocation_scripts as scripts
from app.storage.redis.client import open_client, prefix
from app.storage.redis.errors import FAILURES

_CHUNK = 500
_BEGUN = "begun"
_NO_MARKER = "Redis was restarted, emptied or replaced by a replica"


ChangesSince: TypeAlias = Callable[[str | None], Awaitable[Changes]]
"""Reads in Postgres what was revoked since a position, or everything where that is None."""


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
        self._entries, self._marker, self._filled, self._nonces = (
            f"{prefix(issuer)}{kind}" for kind in ("blacklist:", "marker", "filled", "nonce:")
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
            answer: int = await self._redis.eval(scripts.FIND, len(keys), *keys)
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
                await self._redis.eval(scripts.FORGET, 1, self._marker)
            return False
        return True

    async def rebuild(self, changes: ChangesSince) -> IndexState:
        """Enter what was revoked since the last look of any process, and set the marker.

        Everything is entered where Redis has no position that counts. A nonce is set in Redis before
        Postgres is read: if it is gone at the end, entries may be gone too, and the marker is not set. A
        write of this process that failed meanwhile has the same effect. A server that may evict keys is
        never trusted.
        """
        failures = self._failures
        keys = (self._nonces + token_hex(16), self._marker, self._filled)
        try:
            begun: tuple[bytes, bytes] = await self._redis.eval(scripts.BEGIN, len(keys), *keys)
            state, position = (part.decode() for part in begun)
            if state == _BEGUN:
                found = await self._enter(changes, position or None)
                is_whole = int(found.is_whole)
                if found.is_whole:
                    # That may have taken a while. What was revoked meanwhile is entered before any trust.
                    found = await self._enter(changes, found.position)
                answer: bytes = await self._redis.eval(
                    scripts.MARK, len(keys), *keys, found.position, is_whole
                )
                state = answer.decode()
        except FAILURES as error:
            self._distrust(words(error))
            return IndexState.UNREACHABLE
        except BaseException:
            # Postgres could not be read, so the index may lack entries.
            self._distrust("Postgres could not be read")
            raise
        if failures != self._failures:
            return IndexState.DISTURBED
        self._trusted = state == IndexState.TRUSTED.value
        return IndexState(state)

    async def _enter(self, changes: ChangesSince, position: str | None) -> Changes:
        """Enter what was revoked since a position, a batch at a time."""
        found = await changes(position)
        async for batch in found.batches:
            await self._write({entry: revocation.lasts for entry, revocation in batch.items()})
        return found

    async def describe(self) -> IndexFacts | None:
        """Return the server's facts, or None when it does not answer."""
        try:
            answer: bytes = await self._redis.eval(scripts.INFO, 1, self._marker)
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
            await self._redis.eval(scripts.ADD, len(keys), *keys, *lives)
