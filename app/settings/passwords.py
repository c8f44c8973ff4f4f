"""Settings of passwords and their hashes."""

import os
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from app.domain.passwords import PasswordPolicy
from app.settings.http import HttpSettings
from app.settings.values import web_address


class PasswordSettings(HttpSettings):
    """Which passwords are accepted, and what hashing one costs."""

    password_min_length: Annotated[
        int,
        Field(
            ge=8,
            le=64,
            description="Minimum password length in characters; NIST wants 15 for the only factor.",
        ),
    ] = 15
    breached_passwords_url: Annotated[
        Annotated[str, AfterValidator(web_address)] | None,
        Field(
            description="Server of the Pwned Passwords range protocol that checks new passwords; empty: none."
        ),
    ] = None
    password_hash_memory_kib: Annotated[
        int, Field(ge=19_456, le=262_144, description="Memory of one Argon2id hash in KiB.")
    ] = 19_456
    password_hash_time_cost: Annotated[
        int, Field(ge=2, le=10, description="Passes of one Argon2id hash over its memory.")
    ] = 2
    # One processor stays free: with all of them busy, a low priority of the threads delays the event loop.
    password_hash_threads: Annotated[
        int,
        Field(
            ge=1,
            le=64,
            description="Hashes that run at a time per process; empty: workers share all processors but one.",
        ),
    ] = max(1, (os.cpu_count() or 1) - 1)
    password_hash_queue: Annotated[
        int,
        Field(
            ge=0, le=1000, description="Logins that may wait before the next one is refused as overloaded."
        ),
    ] = 50

    def password_policy(self) -> PasswordPolicy:
        """What is asked of a new password."""
        return PasswordPolicy(self.password_min_length, host=urlsplit(self.issuer).hostname or "")
