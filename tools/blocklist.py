"""Makes the list of common passwords out of a text with one a line, the most frequent one first.

    PYTHONPATH=. python tools/blocklist.py LIST > app/crypto/common_passwords.bin

The one that is shipped comes of the million most frequent among the ten million passwords that Mark Burnett
released to the public domain in 2015, as OWASP SecLists counts and keeps them (MIT licence).
Of each entry only a fingerprint is kept.
"""

import sys
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TypeAlias

from app.crypto.blocklist import fingerprint
from app.domain.passwords import MAX_BYTES, fold, unusable

Share: TypeAlias = tuple[range, int | None]
"""Lengths, and how many entries of them are taken; None stands for all."""
SHARES: Sequence[Share] = (
    (range(5, 8), 10_000),  # Too short to be a password, and long enough to be repeated until it is one.
    (range(8, 15), 100_000),
    (range(15, MAX_BYTES), None),  # As long as passwords have to be where nobody asks for less: all of them.
)


def chosen(passwords: Iterable[str], shares: Sequence[Share]) -> Iterator[str]:
    """The entries that are taken, folded."""
    folded = dict.fromkeys(fold(password) for password in passwords if not unusable(password))
    for lengths, amount in shares:
        yield from islice((password for password in folded if len(password) in lengths), amount)


def build(text: str) -> bytes:
    """What the file holds; the same for the same list."""
    lines = (line.removesuffix("\r") for line in text.split("\n"))
    return b"".join(sorted({fingerprint(password) for password in chosen(lines, SHARES)}))


if __name__ == "__main__":
    # Lines that are no UTF-8 come out as no text, and are left out.
    listed = Path(sys.argv[1]).read_text(encoding="utf-8", errors="surrogateescape")
    sys.stdout.buffer.write(build(listed))
