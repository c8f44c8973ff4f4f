"""Makes the list of common passwords from a text with one password a line, the most frequent first.

    PYTHONPATH=. python tools/blocklist.py LIST > app/crypto/common_passwords.bin

The shipped list comes from the ten million passwords that Mark Burnett released to the public domain in 2015.
Its source is the million most frequent of them, as OWASP SecLists counts and publishes them (MIT licence).
The list holds only a fingerprint of each entry.
"""

import sys
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TypeAlias

from app.crypto.blocklist import fingerprint
from app.domain.passwords import MAX_BYTES, fold, unusable

Share: TypeAlias = tuple[range, int | None]
"""Lengths, and how many entries of these lengths are taken. None means all."""
SHARES: Sequence[Share] = (
    (range(5, 8), 10_000),  # Too short for a password, but long enough to be repeated until it is one.
    (range(8, 15), 100_000),
    (range(15, MAX_BYTES), None),  # At least the default minimum length: all of them.
)


def chosen(passwords: Iterable[str], shares: Sequence[Share]) -> Iterator[str]:
    """Yield the entries that are taken, folded."""
    folded = dict.fromkeys(fold(password) for password in passwords if not unusable(password))
    for lengths, amount in shares:
        yield from islice((password for password in folded if len(password) in lengths), amount)


def build(text: str) -> bytes:
    """Return the content of the file. The same text always gives the same content."""
    lines = (line.removesuffix("\r") for line in text.split("\n"))
    return b"".join(sorted({fingerprint(password) for password in chosen(lines, SHARES)}))


if __name__ == "__main__":
    # Lines that are not UTF-8 become unusable text, which is left out.
    listed = Path(sys.argv[1]).read_text(encoding="utf-8", errors="surrogateescape")
    sys.stdout.buffer.write(build(listed))
