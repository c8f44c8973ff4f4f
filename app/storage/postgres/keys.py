"""The signing key store."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import TypeAlias

import asyncpg
import orjson

from app.domain.events import Actor, Event, EventKind
from app.domain.keys import Algorithm, KeyChange, KeyState, SealedKey, SigningKey
from app.storage.postgres.connections import Connection
from app.storage.postgres.database import Database
from app.storage.postgres.events import log_events, record
from app.storage.postgres.revocations import revoke_keys

Decide: TypeAlias = Callable[[Sequence[SigningKey], datetime], KeyChange]
"""Decides on a change from all keys and the time of the database."""

ADVISORY_LOCK = 0x7761746368
"""The lock under which keys are changed. The number only has to be unique in the database."""
_LOCK = f"SELECT pg_advisory_xact_lock({ADVISORY_LOCK})"
_READ = """
SELECT kid, algorithm, public_jwk, sealed_private_key, created_at, activated_at, superseded_at
FROM signing_keys ORDER BY created_at, kid
"""
_DELETE = "DELETE FROM signing_keys WHERE kid = ANY($1)"
_SUPERSEDE = """
UPDATE signing_keys SET superseded_at = $1 WHERE activated_at IS NOT NULL AND superseded_at IS NULL
"""
_ACTIVATE = "UPDATE signing_keys SET activated_at = $2 WHERE kid = $1"
_ADD = """
INSERT INTO signing_keys (kid, algorithm, public_jwk, sealed_private_key, created_at, activated_at)
VALUES ($1, $2, $3::jsonb, $4, $5, $6)
"""
_RESEAL = """
UPDATE signing_keys SET sealed_private_key = $3 WHERE kid = $1 AND sealed_private_key = $2 RETURNING 1
"""


class KeyStore:
    """Signing keys in Postgres, with sealed private keys. Times come from the clock of the database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def all(self) -> tuple[list[SigningKey], datetime]:
        """Every key, the oldest first, and the time of the database when they were read."""
        async with self._database.transaction() as connection:
            return await _read(connection)

    async def change(
        self,
        decide: Decide,
        candidates: Sequence[SealedKey],
        *,
        revoked_for: timedelta | None = None,
        actor: Actor,
    ) -> KeyChange | None:
        """Decide on a change and make it, in one transaction.

        Candidates take the places that the change leaves free. With too few of them it returns None and
        changes nothing. ``revoked_for`` revokes the deleted keys, with every token that they signed.

        Concurrent callers take turns, and each decides on what the one before left. Therefore a statement of
        its own reads the keys after the lock: under READ COMMITTED each statement has a new snapshot.
        """
        async with self._database.transaction() as connection:
            await connection.fetch(_LOCK)
            keys, now = await _read(connection)
            change = decide(keys, now)
            if len(change.vacant) > len(candidates):
                return None
            if change.deleted:
                await connection.fetch(_DELETE, list(change.deleted))
            if change.deleted and revoked_for is not None:
                await revoke_keys(connection, change.deleted, revoked_for)
            if change.activated is not None:
                await _activate(connection, change.activated, now)
            for state, key in zip(change.vacant, candidates, strict=False):
                await _add(connection, key, state, now)
            happened = _events(change, candidates, is_retirement=revoked_for is not None, actor=actor)
            await record(connection, *happened)
        log_events(*happened)
        return change

    async def reseal(self, kid: str, old: bytes, new: bytes) -> bool:
        """Replace a sealed private key; False when the key is gone or no longer sealed as ``old``."""
        return await self._database.row(_RESEAL, kid, old, new) is not None


async def _read(connection: Connection) -> tuple[list[SigningKey], datetime]:
    keys = [_key(row) for row in await connection.fetch(_READ)]
    now: datetime = await connection.fetchval("SELECT clock_timestamp()")
    return keys, now


async def _activate(connection: Connection, kid: str, now: datetime) -> None:
    """Let a standby sign. The previous key stops first, so two never sign at the same moment."""
    await connection.fetch(_SUPERSEDE, now)
    await connection.fetch(_ACTIVATE, kid, now)


async def _add(connection: Connection, key: SealedKey, state: KeyState, now: datetime) -> None:
    await connection.fetch(
        _ADD,
        key.kid,
        key.algorithm.value,
        orjson.dumps(key.public_jwk).decode(),
        key.sealed_private_key,
        now,
        now if state is KeyState.SIGNING else None,
    )


def _events(
    change: KeyChange, candidates: Sequence[SealedKey], *, is_retirement: bool, actor: Actor
) -> list[Event]:
    """The events of a change, one for each key."""
    events = [
        Event(
            EventKind.KEY_CREATED,
            actor,
            details={"kid": key.kid, "algorithm": key.algorithm.value, "state": state.value},
        )
        for state, key in zip(change.vacant, candidates, strict=False)
    ]
    if change.activated is not None:
        events.append(Event(EventKind.KEY_ROTATED, actor, details={"kid": change.activated}))
    gone = EventKind.KEY_RETIRED if is_retirement else EventKind.KEY_DELETED
    events += [Event(gone, actor, details={"kid": kid}) for kid in sorted(change.deleted)]
    return events


def _key(row: asyncpg.Record) -> SigningKey:
    return SigningKey(
        kid=row["kid"],
        algorithm=Algorithm(row["algorithm"]),
        public_jwk=orjson.loads(row["public_jwk"]),
        sealed_private_key=row["sealed_private_key"],
        created_at=row["created_at"],
        activated_at=row["activated_at"],
        superseded_at=row["superseded_at"],
    )
