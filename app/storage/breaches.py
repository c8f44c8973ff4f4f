"""Breached passwords: a server of the Pwned Passwords range protocol, which is told five letters of a hash.

Nobody is kept from a password because that server does not answer: whatever goes wrong is logged, and then
counts as no breach.
"""

import asyncio
import re

import httpx
import structlog

SECONDS = 2.0
"""What a question may take, from the look-up of the host's address to the end of the answer."""
MAX_ANSWER = 1 << 20
"""Bytes; a padded answer takes about forty thousand."""
_PREFIX = 5
_LINE = re.compile(rb"([0-9A-Fa-f]{35}):([0-9]{1,12})")

_log = structlog.get_logger()


class _Unanswered(Exception):
    """What came is no answer, and why."""


class BreachedPasswords:
    """Passwords that were in a breach, as far as the server at this address knows."""

    def __init__(self, url: str, seconds: float = SECONDS) -> None:
        self._url = url.rstrip("/")
        self._seconds = seconds
        # The length of a padded answer tells an eavesdropper nothing; a packed one could grow beyond bounds.
        headers = {"User-Agent": "watchword", "Add-Padding": "true", "Accept-Encoding": "identity"}
        self._client = httpx.AsyncClient(
            headers=headers, timeout=seconds, follow_redirects=False, trust_env=False
        )

    async def holds(self, digest: str) -> bool:
        """Whether the password of this SHA-1, in upper-case hexadecimal, was in a breach.

        False when nobody can tell.
        """
        try:
            async with asyncio.timeout(self._seconds):
                answer = await self._ask(digest[:_PREFIX])
            return _counts(answer, digest[_PREFIX:].encode()) > 0
        except Exception as error:  # noqa: BLE001 - no failure of another service is one of ours
            # The messages of httpx hold the address that was asked, and with it a part of the hash.
            reason = str(error) if isinstance(error, _Unanswered) else type(error).__name__
            _log.warning("password.breach_check_failed", reason=reason)
            return False

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def _ask(self, prefix: str) -> bytes:
        answer = bytearray()
        async with self._client.stream("GET", f"{self._url}/{prefix}") as response:
            if response.status_code != httpx.codes.OK:
                raise _Unanswered(f"status {response.status_code}")
            async for chunk in response.aiter_raw():
                answer += chunk
                if len(answer) > MAX_ANSWER:
                    raise _Unanswered("too long an answer")
        return bytes(answer)


def _counts(answer: bytes, suffix: bytes) -> int:
    """How often the hash that ends so was seen; padding was never seen."""
    seen = 0
    for line in filter(None, map(bytes.strip, answer.splitlines())):
        entry = _LINE.fullmatch(line)
        if entry is None:
            raise _Unanswered("not of the protocol")
        if entry[1].upper() == suffix:
            seen += int(entry[2])
    return seen
