"""Password hashing: Argon2id for what is new, and what other systems left behind for verification.

Whatever cannot be verified costs a decoy of the current parameters, so that no absence shows.
Hashing runs in a few threads off the event loop, for so many callers at a time.
"""

import asyncio
import os
import re
import secrets
import sys
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias, TypeVar

from passlib.context import CryptContext

from app.domain.passwords import normalise, unusable
from app.domain.refusals import Refusal, Refused

# Ceilings of one stored hash, so that no imported one takes the service down; seconds are of one slow core.
MAX_KIB = 256 * 1024  # Memory of one hash, and as much again for each further thread.
MAX_KIB_PASSES = 1024 * 1024  # Memory times passes over it: 2 s of Argon2, 3 to 5 s of scrypt.
MAX_LANES = 16  # Argon2 gives each a thread; Django asks for 8.
MAX_BCRYPT_COST = 15  # About 2 s.
MAX_ROUNDS = 5_000_000  # PBKDF2: 1 to 3 s.
MAX_CHARACTERS, MIN_DIGEST_BYTES = 1024, 16  # A short digest of Argon2 would match many passwords.
NICENESS = 5  # Of the hashing threads; with much more they would not get to give the interpreter back.

_FORMATS = CryptContext(
    "argon2, bcrypt, bcrypt_sha256, scrypt, pbkdf2_sha256, pbkdf2_sha512, "
    "django_pbkdf2_sha256, django_pbkdf2_sha1, django_bcrypt_sha256"
)
_DJANGO_PREFIX = re.compile(r"^(?:argon2(?=\$argon2)|bcrypt\$(?=\$2))")
_DJANGO_SCRYPT = re.compile(r"scrypt\$([0-9]+)\$([^$]+)\$([0-9]+)\$([0-9]+)\$([A-Za-z0-9+/]{86}==)")
_Handler: TypeAlias = Any  # What passlib, which has no types, reads in a stored hash.
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class HashingPolicy:
    """What new hashes cost, and how much hashing may go on at once.

    ``memory_kib`` (KiB), ``time_cost`` (passes) and ``parallelism`` (lanes) are Argon2id's;
    ``threads`` run at a time, ``queue`` more callers have a place; ValueError for none, or over the ceilings.
    """

    memory_kib: int = 19_456
    time_cost: int = 2
    parallelism: int = 1
    threads: int
    queue: int

    def __post_init__(self) -> None:
        bounded = _bounded(self.memory_kib, self.time_cost, self.parallelism)
        if not bounded or self.threads < 1 or self.queue < 0:
            raise ValueError("hashing needs a thread, no negative queue, and parameters below the ceilings")


@dataclass(frozen=True, slots=True)
class PasswordCheck:
    """Whether the password ``matches``; if so, whether its hash is ``outdated`` and wants a new one."""

    matches: bool
    outdated: bool


class Overloaded(Refused):
    """All places are taken; with sensible settings the first of them are free again within a second."""

    def __init__(self) -> None:
        super().__init__(Refusal.OVERLOADED, retry_after=1)


class PasswordHasher:
    """Hashes and verifies off the event loop; one instance serves one loop.

    Construction makes the decoy and loads the backends, which is slow, and unsafe in threads.
    ``hash`` and ``verify`` wait for a thread, and want a ``place`` where strangers can ask for them;
    they raise RuntimeError after ``close``.
    """

    def __init__(self, policy: HashingPolicy) -> None:
        self._policy = policy
        self._context = _FORMATS.using(
            argon2__type="ID",
            argon2__memory_cost=policy.memory_kib,
            argon2__rounds=policy.time_cost,
            argon2__parallelism=policy.parallelism,
        )
        _FORMATS.handler("bcrypt").get_backend()
        self._decoy: str = self._context.hash(secrets.token_urlsafe())
        # The event loop goes first. Elsewhere than on Linux niceness is a whole process's.
        niceness = NICENESS if sys.platform == "linux" else 0
        self._executor = ThreadPoolExecutor(policy.threads, "passwords", os.nice, (niceness,))
        # Callers queue here and not in the executor, so that one who gives up leaves nothing behind.
        self._threads = asyncio.Semaphore(policy.threads)
        self._places = policy.threads + policy.queue

    @contextmanager
    def place(self) -> Iterator[None]:
        """A place among those who hash, wait for it, or have work before and after it; or Overloaded."""
        if not self._places:
            raise Overloaded
        self._places -= 1
        try:
            yield
        finally:
            self._places += 1

    async def hash(self, password: str) -> str:
        """A new Argon2id hash in PHC format, about 97 characters; ValueError for an ``unusable`` password."""
        if refused := unusable(password):
            raise ValueError(f"password refused: {refused}")
        return await self._run(lambda: str(self._context.hash(normalise(password))))

    async def verify(self, password: str, stored: str | None) -> PasswordCheck:
        """Compare with a stored hash; None stands for an account that does not exist.

        Never matches, at the cost of a decoy: no account, no known hash, one over the ceilings.
        Never matches, at no cost: an ``unusable`` password, whatever the account.
        """
        if unusable(password):
            return PasswordCheck(matches=False, outdated=False)
        return await self._run(lambda: self._verify(password, stored))

    def close(self) -> None:
        """Take no more work; what runs is finished and answered, what waits gets a RuntimeError."""
        self._executor.shutdown(wait=False)

    def _verify(self, password: str, stored: str | None) -> PasswordCheck:
        if known := _parse(stored or ""):
            # Some that read well still fail in their backend, and bcrypt takes no password with a NUL.
            with suppress(Exception):
                return self._compare(password, known)
        # Not suppressed: a machine short of memory must not answer that the password was wrong.
        self._context.verify(normalise(password), self._decoy)
        return PasswordCheck(matches=False, outdated=False)

    def _compare(self, password: str, known: _Handler) -> PasswordCheck:
        # Unlike passlib's own rule, a costlier hash is current: to rehash it would weaken it.
        current = known.name == "argon2" and (known.type, known.version) == ("id", 0x13)
        current = current and known.memory_cost >= self._policy.memory_kib
        current = current and known.rounds >= self._policy.time_cost
        # Other systems may have hashed what was typed and not its NFKC; a dict keeps order and drops doubles.
        spellings = dict.fromkeys((normalise(password), normalise(password) if current else password))
        # bcrypt reads 72 bytes and always ignored the rest, which its library now refuses.
        limit = 72 if known.name == "bcrypt" else None
        matches = any(known.verify(spelling.encode()[:limit], known.to_string()) for spelling in spellings)
        return PasswordCheck(matches=matches, outdated=matches and not current)

    async def _run(self, work: Callable[[], _T]) -> _T:
        await self._threads.acquire()
        try:
            job = self._executor.submit(work)
        except RuntimeError:
            self._threads.release()
            raise
        # The slot is the thread's, not the caller's: a client who disconnects does not end the hash.
        job.add_done_callback(partial(self._ended, asyncio.get_running_loop()))
        return await asyncio.wrap_future(job)

    def _ended(self, loop: asyncio.AbstractEventLoop, _: Future[Any]) -> None:
        with suppress(RuntimeError):  # The loop may be closed by now.
            loop.call_soon_threadsafe(self._threads.release)


def _parse(stored: str) -> _Handler | None:
    # Handlers meet a malformed hash with exceptions of many kinds, some of which quote it.
    with suppress(Exception):
        text = _as_passlib(stored) if len(stored) <= MAX_CHARACTERS else ""
        known = _FORMATS.handler(_FORMATS.identify(text, required=True)).from_string(text)
        return known if known.checksum is not None and _affordable(known) else None
    return None


def _as_passlib(stored: str) -> str:
    """Django's spellings of Argon2, bcrypt and scrypt as passlib has them, all else as it is."""
    if not (django := _DJANGO_SCRYPT.fullmatch(stored)):
        return _DJANGO_PREFIX.sub("", stored)
    cost, salt, block, lanes, digest = django.groups()
    # scrypt's output is a stream: passlib's 32 bytes are the first of Django's 64.
    salt, digest = (b64encode(raw).decode().rstrip("=") for raw in (salt.encode(), b64decode(digest)[:32]))
    return f"$scrypt$ln={int(cost).bit_length() - 1},r={block},p={lanes}${salt}${digest}"


def _affordable(known: _Handler) -> bool:
    if known.name == "argon2":  # Associated data reads well, and no backend takes it.
        whole = known.data is None and len(known.checksum) >= MIN_DIGEST_BYTES
        return whole and _bounded(known.memory_cost, known.rounds, known.parallelism)
    if known.name == "scrypt":
        kib = known.block_size * ((1 << known.rounds) + known.parallelism) // 8
        return _bounded(kib, known.parallelism, known.parallelism)
    return bool(known.rounds <= (MAX_BCRYPT_COST if "bcrypt" in known.name else MAX_ROUNDS))


def _bounded(kib: int, passes: int, lanes: int) -> bool:
    return kib <= MAX_KIB and kib * passes <= MAX_KIB_PASSES and lanes <= MAX_LANES
