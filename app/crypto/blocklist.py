"""Fingerprints of passwords: our own for the list of common ones, SHA-1 for look-ups of breached ones."""

from bisect import bisect_left
from hashlib import sha1, sha256
from pathlib import Path

LENGTH = 5
"""Bytes of a fingerprint: about one in ten million passwords matches the list by chance."""
SHIPPED = Path(__file__).with_name("common_passwords.bin")


def fingerprint(folded: str) -> bytes:
    """The first bytes of the SHA-256 of a folded password."""
    return sha256(folded.encode()).digest()[:LENGTH]


def range_digest(normalised: str) -> str:
    """The digest that the range protocol uses: SHA-1 in upper-case hexadecimal."""
    return sha1(normalised.encode(), usedforsecurity=False).hexdigest().upper()


class CommonPasswords:
    """A list of common passwords, in folded form.

    Its file contains only their sorted, concatenated fingerprints; ``make blocklist`` writes it.
    """

    def __init__(self, file: Path = SHIPPED) -> None:
        self._fingerprints = file.read_bytes()

    def __len__(self) -> int:
        return len(self._fingerprints) // LENGTH

    def __contains__(self, folded: object) -> bool:
        wanted = fingerprint(str(folded))
        index = bisect_left(range(len(self)), wanted, key=self._at)
        return self._at(index) == wanted

    def _at(self, index: int) -> bytes:
        return self._fingerprints[index * LENGTH : (index + 1) * LENGTH]
