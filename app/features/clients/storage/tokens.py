"""What may be used once, or no longer: assertions that were used, and access tokens that were revoked."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from app.domain.events import Event
from app.domain.revocations import Kind
from app.storage.postgres.database import Database
from app.storage.postgres.events import COLUMNS, INSERT, as_json, events_from, log_events

# Each use deletes at most two assertions that have expired, so the table never holds more than were used
# within ten minutes. Rows that another use is deleting are skipped.
USE = """
WITH expired AS (
    DELETE FROM client_assertions WHERE id = ANY(ARRAY(
        SELECT id FROM client_assertions WHERE expires_at < statement_timestamp()
        ORDER BY expires_at LIMIT 2 FOR UPDATE SKIP LOCKED
    ))
)
INSERT INTO client_assertions (id, expires_at) VALUES ($1, $2) ON CONFLICT (id) DO NOTHING RETURNING 1
"""
"""Notes that an assertion was used; returns a row the first time."""
_REVOKE = f"""
WITH revoked AS (
    INSERT INTO revocations (id, expires_at, kind)
    VALUES ($2, clock_timestamp() + $3::interval, '{Kind.TOKEN}')
    ON CONFLICT (id) DO NOTHING RETURNING id
), recorded AS (
    {INSERT} SELECT {COLUMNS} FROM {events_from("$1")} WHERE EXISTS (SELECT FROM revoked)
)
SELECT id FROM revoked
"""  # noqa: S608 - the only things put in are constants of ours


@dataclass(frozen=True, slots=True)
class UsedAssertions:
    """The assertions that were used and have not expired, by the hash of the client and the ``jti``."""

    database: Database

    async def use(self, assertion: bytes, kept_until: datetime) -> bool:
        """Use an assertion, and return whether this is the first time; parallel uses have one first."""
        return await self.database.row(USE, assertion, kept_until) is not None


@dataclass(frozen=True, slots=True)
class TokenRevocations:
    """Single access tokens that were revoked, among the core's revocations."""

    database: Database
    revocation_ttl: timedelta

    async def add(self, token_id: str, event: Event) -> None:
        """Revoke an access token; the event is written the first time. The caller announces the id."""
        event = replace(event, details={"jti": token_id})
        if await self.database.row(_REVOKE, as_json(event), token_id, self.revocation_ttl) is not None:
            log_events(event)
