"""Proofs: the result of every way to sign in, and the only input for opening a session."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

PASSWORD = "pwd"
"""The authentication method of a password (RFC 8176 section 2)."""


@dataclass(frozen=True, slots=True)
class Proof:
    """A caller proved to be the owner of this account, by these methods (RFC 8176) at this time.

    ``password_version`` is the account's at that time: a session opens only if it is still the same.
    ``at`` is None when this very request gave the proof. Postgres dates it; replicas' clocks do not matter.
    """

    account_id: UUID
    password_version: int
    methods: tuple[str, ...]
    at: datetime | None = None
