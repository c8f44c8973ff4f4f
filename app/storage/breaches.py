"""Breached passwords: a client of the Pwned Passwords range protocol, which sends five letters of a hash.

The check fails open: every failure is logged, and the password counts as not breached.
"""

import asyncio
import re

import httpx2
import structlog

SECONDS = 2.0
"""How long a query may take, from the look-up of the host's address to the end of the answer."""
MAX_ANSWER = 1 << 20
"""Bytes; a padded answer has about forty thousand."""
_PREFIX = 5
_LINE = re.compile(rb"([0-9A-Fa-f]{35}):([0-9]{1,12})")

_log = structlog.get_logger()


class _InvalidAnswer(Exception):
    """The server sent no valid answer, for the reason in the message."""


class BreachedPasswords:
    """The passwords that the server at this URL knows from breaches."""

    def __init__(self, url: str, seconds: float = SECONDS) -> None:
        self._url = url.rstrip("/")
        self._seconds = seconds
        # Padding hides the length of the answer. A compressed answer could grow beyond bounds.
        headers = {"User-Agent": "watchword", "Add-Padding": "true", "Accept-Encoding": "identity"}
        self._client = httpx2.AsyncClient(
            headers=headers, timeout=seconds, follow_redirects=False, trust_env=False
        )

    async def holds(self, digest: str) -> bool:
        """Return whether the password with this SHA-1, in upper-case hexadecimal, was in a breach.

        False when the server gives no valid answer.
        """
        try:
            async with asyncio.timeout(self._seconds):
                answer = await self._ask(digest[:_PREFIX])
            return _counts(answer, digest[_PREFIX:].encode()) > 0
        except Exception as error:  # noqa: BLE001 - another service's failure must not become ours
            # The messages of httpx2 contain the URL, and with it a part of the hash.
            reason = str(error) if isinstance(error, _InvalidAnswer) else type(error).__name__
            _log.warning("password.breach_check_failed", reason=reason)
            return False

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def _ask(self, prefix: str) -> bytes:
        answer = bytearray()
        async with self._client.stream("GET", f"{self._url}/{prefix}") as response:
            if response.status_code != httpx2.codes.OK:
                raise _InvalidAnswer(f"status {response.status_code}")
            async for chunk in response.aiter_raw():
                answer += chunk
                if len(answer) > MAX_ANSWER:
                    raise _InvalidAnswer("answer too long")
        return bytes(answer)


def _counts(answer: bytes, suffix: bytes) -> int:
    """Return how often the hash with this suffix was seen; padding has a count of zero."""
    seen = 0
    for line in filter(None, map(bytes.strip, answer.splitlines())):
        entry = _LINE.fullmatch(line)
        if entry is None:
            raise _InvalidAnswer("not of the protocol")
        if entry[1].upper() == suffix:
            seen += int(entry[2])
    return seen
