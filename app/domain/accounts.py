"""Accounts: an e-mail address, a password hash, roles, and whether sign-in is allowed."""

import re
import unicodedata
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

MAX_EMAIL_LENGTH = 254
FIRST_VERSION = 1
"""The password version of a new account; it rises with every password change."""
_EMAIL = re.compile(r"[^\s@\x00-\x1f\x7f]+@[^\s@\x00-\x1f\x7f]+")
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
    """The canonical form of an e-mail address (trimmed, NFKC, lower case), or None when it is not valid."""
    if len(text) > 4 * MAX_EMAIL_LENGTH:
        return None
    email = unicodedata.normalize("NFKC", text).strip().lower()
    # Lower-casing may undo the composition; a second pass makes the result stable.
    email = unicodedata.normalize("NFKC", email)
    is_text = not any("\ud800" <= letter <= "\udfff" for letter in email)
    return email if is_text and len(email) <= MAX_EMAIL_LENGTH and _EMAIL.fullmatch(email) else None


def is_role(text: str) -> bool:
    """Whether ``text`` is a valid role: 1 to 64 of ``a-z 0-9 _ . : -``, a letter or digit first."""
    return _ROLE.fullmatch(text) is not None
