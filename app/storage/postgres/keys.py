"""The signing key store."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, TypeAlias

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from app.domain.events import Actor, Event, EventKind
from app.domain.keys import Algorithm, KeyChange, KeyState, SealedKey, SigningKey
from app.storage.postgres.database import Database
from app.storage.postgres.events import log_events, record
from app.storage.postgres.revocations import revoke
from app.storage.postgres.tables import signing_keys

Decide: TypeAlias = Callable[[Sequence[SigningKey], datetime], KeyChange]
"""Decides on a change from all keys and the time of the database."""

ADVISORY_LOCK = 0x7761746368
"""The lock under which keys are changed. The number only has to be unique in the database."""


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
            await connection.execute(select(func.pg_advisory_xact_lock(ADVISORY_LOCK)))
            keys, now = await _read(connection)
            change = decide(keys, now)
            if len(change.vacant) > len(candidates):
                return None
            if change.deleted:
                await connection.execute(delete(signing_keys).where(signing_keys.c.kid.in_(change.deleted)))
            if change.deleted and revoked_for is not None:
                await revoke(connection, change.deleted, revoked_for)
            if change.activated is not None:
                await _activate(connection, change.activated, now)
            for state, key in zip(change.vacant, candidates, strict=False):
                await connection.execute(insert(signing_keys).values(_row(key, state, now)))
            happened = _events(change, candidates, is_retirement=revoked_for is not None, actor=actor)
            await record(connection, *happened)
        log_events(*happened)
        return change

    async def reseal(self, kid: str, old: bytes, new: bytes) -> bool:
        """Replace a sealed private key; False when the key is gone or no longer sealed as ``old``."""
        is_old = (signing_keys.c.kid == kid) & (signing_keys.c.sealed_private_key == old)
        async with self._database.transaction() as connection:
            result = await connection.execute(
                update(signing_keys).where(is_old).values(sealed_private_key=new)
            )
        return result.rowcount == 1


async def _read(connection: AsyncConnection) -> tuple[list[SigningKey], datetime]:
    columns = signing_keys.c
    rows = await connection.execute(
        select(
            columns.kid,
            columns.algorithm,
            columns.public_jwk,
            columns.sealed_private_key,
            columns.created_at,
            columns.activated_at,
            columns.superseded_at,
        ).order_by(columns.created_at, columns.kid)
    )
    keys = [_key(row) for row in rows.mappings()]
    now = (await connection.execute(select(func.clock_timestamp()))).scalar_one()
    return keys, now


async def _activate(connection: AsyncConnection, kid: str, now: datetime) -> None:
    """Let a standby sign. The previous key stops first, so two never sign at the same moment."""
    signs = signing_keys.c.activated_at.is_not(None) & signing_keys.c.superseded_at.is_(None)
    await connection.execute(update(signing_keys).where(signs).values(superseded_at=now))
    await connection.execute(update(signing_keys).where(signing_keys.c.kid == kid).values(activated_at=now))


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


def _row(key: SealedKey, state: KeyState, now: datetime) -> dict[str, Any]:
    return {
        "kid": key.kid,
        "algorithm": key.algorithm.value,
        "public_jwk": key.public_jwk,
        "sealed_private_key": key.sealed_private_key,
        "created_at": now,
        "activated_at": now if state is KeyState.SIGNING else None,
    }


def _key(row: Mapping[Any, Any]) -> SigningKey:
    return SigningKey(
        kid=row["kid"],
        algorithm=Algorithm(row["algorithm"]),
        public_jwk=row["public_jwk"],
        sealed_private_key=row["sealed_private_key"],
        created_at=row["created_at"],
        activated_at=row["activated_at"],
        superseded_at=row["superseded_at"],
    )
