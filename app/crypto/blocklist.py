"""Fingerprints of passwords, by which the common ones are known here and the breached ones elsewhere."""

from bisect import bisect_left
from hashlib import sha1, sha256
from pathlib import Path

LENGTH = 5
"""Bytes of a fingerprint: of ten million passwords that are not on the list, about one seems to be on it."""
SHIPPED = Path(__file__).with_name("common_passwords.bin")


def fingerprint(folded: str) -> bytes:
    """The first bytes of the SHA-256 of a password as ``fold`` spells it."""
    return sha256(folded.encode()).digest()[:LENGTH]


def range_digest(normalised: str) -> str:
    """The name of a password in the range protocol: its SHA-1, in upper-case hexadecimal."""
    return sha1(normalised.encode(), usedforsecurity=False).hexdigest().upper()


class CommonPasswords:
    """The folded passwords of a list.

    Its file holds their fingerprints, sorted and end to end, and nothing else; ``make blocklist`` makes it.
    """

    def __init__(self, file: Path = SHIPPED) -> None:
        self._fingerprints = file.read_bytes()

    def __len__(self) -> int:
        return len(self._fingerprints) // LENGTH

    def __contains__(self, folded: object) -> bool:
        sought = fingerprint(str(folded))
        place = bisect_left(range(len(self)), sought, key=self._at)
        return self._at(place) == sought

    def _at(self, place: int) -> bytes:
        return self._fingerprints[place * LENGTH : (place + 1) * LENGTH]
