"""Proofs: what any way to sign in establishes, and all that opening a session needs."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

PASSWORD = "pwd"
"""The authentication method of a password (RFC 8176 section 2)."""


@dataclass(frozen=True, slots=True)
class Proof:
    """Who proved to be the owner of an account, by which methods (RFC 8176) and when.

    ``password_version`` is the account's at that moment: a session opens only if it still is.
    """

    account_id: UUID
    password_version: int
    methods: tuple[str, ...]
    at: datetime
