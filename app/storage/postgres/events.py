"""The event store: the statement or transaction that changes something also writes the event."""

from collections.abc import Iterable
from datetime import datetime, timedelta

import asyncpg
import orjson
import structlog

from app.domain.events import Actor, Event, EventFilter, EventKind, RecordedEvent
from app.storage.postgres.connections import Connection
from app.storage.postgres.database import Database
from app.storage.postgres.purges import deletion, purge

COLUMNS = "kind, actor, actor_id, reason, account_id, session_id, address, request_id, details"
"""The columns that a statement writes; Postgres adds the id and the time."""
INSERT = f"INSERT INTO events ({COLUMNS})"
"""The start of a part of another store's statement, which writes an event beside its change."""

_log = structlog.get_logger()


def events_from(argument: str) -> str:
    """The row source ``event`` for ``INSERT``, from an argument that ``as_json`` returned."""
    columns = (
        "kind text, actor text, actor_id text, reason text, "
        "account_id uuid, session_id uuid, address text, request_id text, details jsonb"
    )
    return f"jsonb_to_recordset({argument}::jsonb) AS event({columns})"


_ADD = f"{INSERT} SELECT {COLUMNS} FROM {events_from('$1')}"  # noqa: S608 - constants of ours
_RECORDED = f"id, at, {COLUMNS}"

_WANTED = """
($1::uuid IS NULL OR account_id = $1) AND ($2::text[] = '{}' OR kind = ANY($2))
    AND ($3::timestamptz IS NULL OR at >= $3) AND ($4::timestamptz IS NULL OR at < $4)
"""
NEWEST = f"""
SELECT {_RECORDED} FROM (
    SELECT {_RECORDED} FROM events WHERE {_WANTED} ORDER BY at DESC, id DESC LIMIT $5
) AS newest
ORDER BY at, id
"""  # noqa: S608 - the only things put in are constants of ours
"""The last $5 events that match."""
SINCE = f"""
SELECT statement_timestamp() AS now, {_RECORDED} FROM (VALUES (1)) AS always
LEFT JOIN events ON at >= coalesce($5, statement_timestamp()) - $6::interval AND {_WANTED}
ORDER BY at, id
"""  # noqa: S608 - the only things put in are constants of ours
"""The events that match from $6 before the time $5 on, and the time of the database."""
_PURGE = deletion("events", "at")


class EventStore:
    """Security events in Postgres, which are never changed. Times come from the clock of the database."""

    def __init__(self, database: Database) -> None:
        self.database = database

    async def add(self, event: Event) -> None:
        """Write and log an event that belongs to no other change."""
        await self.database.rows(_ADD, as_json(event))
        log_events(event)

    async def newest(self, wanted: EventFilter, limit: int) -> list[RecordedEvent]:
        """The last ``limit`` events that match, the newest one last."""
        rows = await self.database.rows(NEWEST, *_arguments(wanted), limit)
        return list(map(_recorded, rows))

    async def since(
        self, moment: datetime | None, back: timedelta, wanted: EventFilter
    ) -> tuple[list[RecordedEvent], datetime]:
        """The events that match, and the time of the database.

        They begin ``back`` before the moment, which is now when it is None.
        """
        rows = await self.database.rows(SINCE, *_arguments(wanted), moment, back)
        return [_recorded(row) for row in rows if row["id"] is not None], rows[0]["now"]

    async def purge(self, older_than: timedelta) -> int:
        """Delete old events, the oldest first; returns their number."""
        return await purge(self.database, _PURGE, older_than)


async def record(connection: Connection, *happened: Event) -> None:
    """Write events in the transaction that they report."""
    if happened:
        await connection.fetch(_ADD, as_json(*happened))


def as_json(*happened: Event) -> str:
    """Events as the argument of a statement, to be read with ``events_from``."""
    # The driver returns ids of a subclass of UUID, which orjson does not serialise by itself.
    return orjson.dumps(happened, default=str).decode()


def log_events(*happened: Event) -> None:
    """Log events that are committed, under the same names."""
    for event in happened:
        say = _log.warning if event.kind is EventKind.SESSION_REUSE_DETECTED else _log.info
        named = {
            "actor": event.actor,
            "actor_id": None if event.actor is Actor.OWNER else event.actor_id,
            "reason": event.reason,
            "account": event.account_id,
            "session": event.session_id,
            "address": event.address,
            "request_id": event.request_id,
        }
        fields = {name: str(value) for name, value in named.items() if value is not None}
        say(event.kind.value, **fields, **event.details)


def _arguments(wanted: EventFilter) -> Iterable[object]:
    return wanted.account_id, list(wanted.kinds), wanted.since, wanted.until


def _recorded(row: asyncpg.Record) -> RecordedEvent:
    return RecordedEvent(
        id=row["id"],
        at=row["at"],
        kind=row["kind"],
        actor=row["actor"],
        actor_id=row["actor_id"],
        reason=row["reason"],
        account_id=row["account_id"],
        session_id=row["session_id"],
        address=row["address"],
        request_id=row["request_id"],
        details=orjson.loads(row["details"]),
    )
