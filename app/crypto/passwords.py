"""Password hashing: new hashes are Argon2id, hashes imported from other systems are only verified.

An unknown account or hash costs the verification of a decoy hash, so response time does not reveal it.
Hashing runs in a few threads beside the event loop.
"""

import asyncio
import os
import secrets
import sys
from base64 import b64encode
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple, TypeAlias, TypeVar

from app.crypto import argon2id
from app.crypto.hash_formats import FORMATS, as_passlib, verify
from app.domain.passwords import normalise, unusable

# Ceilings for one stored hash, so no imported hash exhausts the service; times are for one slow core.
MAX_KIB = 256 * 1024  # Memory of one hash; each hashing thread may use as much.
MAX_KIB_PASSES = 1024 * 1024  # Memory times passes over it: 2 s of Argon2, 3 to 5 s of scrypt.
MAX_LANES = 16  # Argon2 starts a thread for each; Django's default is 8.
MAX_BCRYPT_COST = 15  # About 2 s.
MAX_ROUNDS = 5_000_000  # PBKDF2: 1 to 3 s.
PHPASS_DIGEST = 22  # Characters; passlib parses others, which match nothing.
MAX_PHPASS_COST = 18  # About 0.2 s; WordPress uses 13.
MAX_CHARACTERS, MIN_DIGEST_BYTES = 1024, 16  # A short digest of Argon2 would match many passwords.
NICENESS = 5  # Of hashing threads; with a much higher one they would run too rarely to release the GIL.

_Handler: TypeAlias = Any  # passlib's object for one stored hash; passlib has no types.
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class HashingPolicy:
    """The cost of new hashes, and how many threads hash.

    ``memory_kib`` (KiB) and ``time_cost`` (passes) are Argon2id's parameters; it has one lane.
    Raises ValueError without a thread, or for a parameter over its ceiling.
    """

    memory_kib: int = 19_456
    time_cost: int = 2
    threads: int

    def __post_init__(self) -> None:
        if not _bounded(self.memory_kib, self.time_cost, lanes=1) or self.threads < 1:
            raise ValueError("hashing needs a thread, and parameters below the ceilings")


@dataclass(frozen=True, slots=True)
class PasswordCheck:
    """Whether the password ``matches``; if so, whether its hash is ``outdated`` and should be replaced.

    No password matches a hash that is not ``understood``.
    """

    matches: bool
    outdated: bool
    understood: bool = True


class Decoy(NamedTuple):
    """A hash that no password matches, and its work in KiB times passes."""

    stored: str
    work: int


class PasswordHasher:
    """Hashes and verifies in threads; one instance serves one event loop.

    ``hash`` and ``verify`` wait for a thread, and raise RuntimeError after ``close``. Callers from outside
    must hold a slot.
    """

    def __init__(self, policy: HashingPolicy) -> None:
        self._policy = policy
        self._decoy = decoy(f"$argon2id$v=19$m={policy.memory_kib},t={policy.time_cost},p=1$")
        # The event loop has priority. Only Linux has a niceness for each thread.
        niceness = NICENESS if sys.platform == "linux" else 0
        self._executor = ThreadPoolExecutor(policy.threads, "passwords", os.nice, (niceness,))
        # Callers queue here and not in the executor, so a caller that gives up leaves no work behind.
        self._threads = asyncio.Semaphore(policy.threads)

    async def hash(self, password: str) -> str:
        """A new Argon2id hash in PHC format, about 97 characters; ValueError for an ``unusable`` password."""
        if refused := unusable(password):
            raise ValueError(f"password refused: {refused}")
        secret, policy = normalise(password).encode(), self._policy
        return await self._run(partial(argon2id.hash_password, secret, policy.memory_kib, policy.time_cost))

    async def verify(self, password: str, stored: str | None, decoy: Decoy | None = None) -> PasswordCheck:
        """Compare with a stored hash; None stands for an account that does not exist.

        Without an account, or with a hash that is unknown or over the ceilings, it verifies the decoy, or one
        with the cost of new hashes, and does not match. An ``unusable`` password never matches and costs
        nothing, for every account alike.
        """
        if unusable(password):
            return PasswordCheck(matches=False, outdated=False)
        return await self._run(lambda: self._verify(password, stored, decoy or self._decoy))

    def close(self) -> None:
        """Accept no more work. A running hash is finished; waiting callers get a RuntimeError."""
        self._executor.shutdown(wait=False)

    def _verify(self, password: str, stored: str | None, decoy: Decoy) -> PasswordCheck:
        # A decoy is read like a stored hash, since that takes a tenth of a millisecond too.
        handler = parse_hash(decoy.stored if stored is None else stored)
        if handler and argon2id.is_own_form(handler):
            return self._compare(password, handler)
        if handler:
            # Some well-formed hashes still fail in their backend, and bcrypt accepts no password with a NUL.
            with suppress(Exception):
                return self._compare(password, handler)
        # An exhausted memory is not suppressed: the answer must not be that the password is wrong.
        self._compare(password, parse_hash(decoy.stored))
        return PasswordCheck(matches=False, outdated=False, understood=handler is not None)

    def _compare(self, password: str, handler: _Handler) -> PasswordCheck:
        """One computation for a hash of our form, and at most two for one of another system."""
        if argon2id.is_own_form(handler):
            matches = argon2id.matches(normalise(password).encode(), handler)
        else:
            # Another system hashed the password as it was typed there, perhaps with another keyboard. Few
            # passwords differ from their NFKC.
            spellings = dict.fromkeys((normalise(password), password))
            # bcrypt uses 72 bytes and always ignored the rest; its library now refuses longer passwords.
            limit = 72 if handler.name == "bcrypt" else None
            matches = any(verify(spelling.encode()[:limit], handler) for spelling in spellings)
        return PasswordCheck(matches=matches, outdated=matches and not self._is_current(handler))

    def _is_current(self, handler: _Handler) -> bool:
        if handler.name != "argon2" or (handler.type, handler.version) != ("id", 0x13):
            return False
        # With one lane and an odd salt or digest it takes longer than its decoy, so it is replaced.
        if handler.parallelism == 1 and not argon2id.is_own_form(handler):
            return False
        # Unlike in passlib, a costlier hash is current: a new one would be weaker.
        policy = self._policy
        return bool(handler.memory_cost >= policy.memory_kib and handler.rounds >= policy.time_cost)

    async def _run(self, work: Callable[[], _T]) -> _T:
        await self._threads.acquire()
        try:
            job = self._executor.submit(work)
        except RuntimeError:
            self._threads.release()
            raise
        # The thread is released by the hash, not by the caller: a client that disconnects does not stop it.
        job.add_done_callback(partial(self._release_thread, asyncio.get_running_loop()))
        return await asyncio.wrap_future(job)

    def _release_thread(self, loop: asyncio.AbstractEventLoop, _: Future[Any]) -> None:
        with suppress(RuntimeError):  # The loop may have been closed.
            loop.call_soon_threadsafe(self._threads.release)


def decoy(cost: str) -> Decoy:
    """A hash of nothing with a cost such as ``$argon2id$v=19$m=19456,t=2,p=1$``.

    To verify it costs what a real hash costs. ValueError when that is unknown or over the ceilings.
    """
    sizes = (argon2id.SALT_BYTES, argon2id.DIGEST_BYTES)
    salt, digest = (b64encode(secrets.token_bytes(size)).decode().rstrip("=") for size in sizes)
    stored = f"{cost}{salt}${digest}"
    handler = parse_hash(stored)
    if handler is None:
        raise ValueError("no decoy has this cost")
    return Decoy(stored, handler.memory_cost * handler.rounds)


def parse_hash(stored: str) -> _Handler | None:
    """The passlib object for a stored hash, or None when it is unknown, malformed or over the ceilings."""
    # For a malformed hash, handlers raise exceptions of many kinds, some of which quote it.
    with suppress(Exception):
        text = as_passlib(stored) if len(stored) <= MAX_CHARACTERS else ""
        handler = FORMATS.handler(FORMATS.identify(text, required=True)).from_string(text)
        return handler if handler.checksum is not None and _affordable(handler) else None
    return None


def _affordable(handler: _Handler) -> bool:
    if handler.name == "argon2":  # passlib parses associated data, but no backend supports it.
        supported = handler.data is None and len(handler.checksum) >= MIN_DIGEST_BYTES
        return supported and _bounded(handler.memory_cost, handler.rounds, handler.parallelism)
    if handler.name == "scrypt":
        if handler.rounds >= 16 * handler.block_size:  # RFC 7914 section 2 has no larger cost.
            return False
        kib = handler.block_size * ((1 << handler.rounds) + handler.parallelism) // 8
        return _bounded(kib, handler.parallelism, handler.parallelism)
    if handler.name == "phpass":
        return bool(handler.rounds <= MAX_PHPASS_COST and len(handler.checksum) == PHPASS_DIGEST)
    return bool(handler.rounds <= (MAX_BCRYPT_COST if "bcrypt" in handler.name else MAX_ROUNDS))


def _bounded(kib: int, passes: int, lanes: int) -> bool:
    return kib <= MAX_KIB and kib * passes <= MAX_KIB_PASSES and lanes <= MAX_LANES
