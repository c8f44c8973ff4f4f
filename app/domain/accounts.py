"""Accounts: an e-mail address, a password hash, roles, and whether sign-in is allowed."""

import re
import unicodedata
from dataclasses import dataclass, field
from datetime import datetime
from typing import NewType
from uuid import UUID

import idna

MAX_EMAIL_LENGTH, MAX_LOCAL_LENGTH = 254, 64
CanonicalEmail = NewType("CanonicalEmail", str)
"""The form of an address under which an account is counted and known, whether or not it exists."""
FIRST_VERSION = 1
"""The password version of a new account; it rises with every password change."""
_LABEL = "[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_EMAIL = re.compile(rf"[^@]+@{_LABEL}(?:\.{_LABEL})*")
# Letters and marks that show nothing: Unicode's Default_Ignorable_Code_Point, and the empty Braille pattern.
_BLANK = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u2800\u3164\uffa0") | frozenset(
    map(chr, (*range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0)))
)
_ROLE = re.compile(r"[a-z0-9][a-z0-9_.:-]{0,63}")


@dataclass(frozen=True, slots=True)
class Account:
    """An account as Postgres stores it."""

    id: UUID
    email: str
    roles: tuple[str, ...]
    enabled: bool
    created_at: datetime
    password_hash: str = field(repr=False)
    password_version: int


def normalise_email(text: str) -> str | None:
    """The one canonical form of an e-mail address, or None when it is not valid.

    The part before the ``@`` is in NFKC and lower case, the domain in the ASCII form of IDNA 2008 (RFC 5891),
    mapped by UTS 46. White space and invisible letters around the address are removed.
    """
    if len(text) > 4 * MAX_EMAIL_LENGTH:
        return None
    local, _, domain = fold_email(text).rpartition("@")
    email = f"{local}@{_ascii_domain(domain) or ''}"
    is_valid = _EMAIL.fullmatch(email) and not _hides_something(local)
    # RFC 5321 section 4.5.3.1 counts octets, as RFC 6531 section 3.1 does for other letters than ASCII.
    return (
        email
        if is_valid and len(local.encode()) <= MAX_LOCAL_LENGTH and len(email) <= MAX_EMAIL_LENGTH
        else None
    )


def canonical_email(email: str) -> CanonicalEmail:
    """The form of an address that is used as a key; an invalid address is returned unchanged."""
    return CanonicalEmail(normalise_email(email) or email)


def legacy_spelling(email: str) -> str | None:
    """The form in which the previous release stores a canonical address, if it is another one.

    It keeps the letters of a domain as they were typed.
    """
    local, _, domain = email.rpartition("@")
    if "xn--" not in domain:
        return None
    try:
        other = f"{local}@{idna.decode(domain)}"
    except idna.IDNAError:
        return None
    return None if other == email else other


def fold_email(text: str) -> str:
    """An address, or the beginning of one, in NFKC and lower case, without what cannot be seen around it."""
    if text.isascii():
        return text.lower().strip()  # The same, faster: the rules below leave ASCII no other change.
    # Lower-casing may undo the composition; a second pass makes the result stable.
    text = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).lower())
    seen = [index for index, letter in enumerate(text) if not (letter.isspace() or _is_blank(letter))]
    return text[seen[0] : seen[-1] + 1] if seen else ""


def _ascii_domain(domain: str) -> str | None:
    try:
        # A name in ASCII is compared as it is: names that IDNA refuses are in use too.
        return domain if domain.isascii() else idna.encode(domain, uts46=True).decode("ascii")
    except idna.IDNAError:
        return None


def _is_blank(letter: str) -> bool:
    return unicodedata.category(letter) == "Cf" or letter in _BLANK


def _hides_something(local: str) -> bool:
    """Whether a letter of it cannot be seen."""
    if local.isascii():
        return not local.isprintable() or " " in local
    return any(map(_is_hidden, local))


def _is_hidden(letter: str) -> bool:
    """Whether it is white space, invisible, a control character, or no character at all (category C)."""
    return _is_blank(letter) or unicodedata.category(letter)[0] in "CZ"


def is_role(text: str) -> bool:
    """Whether ``text`` is a valid role: 1 to 64 of ``a-z 0-9 _ . : -``, a letter or digit first."""
    return _ROLE.fullmatch(text) is not None
