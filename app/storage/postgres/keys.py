"""The signing key store."""

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import func, insert, select

from app.domain.keys import Algorithm, KeyState, SealedKey, vacancies
from app.storage.postgres.database import Database
from app.storage.postgres.tables import signing_keys

_ADVISORY_LOCK = 0x7761746368
"""Under it keys are made; any number serves that nothing else in the database uses."""


class KeyStore:
    """Signing keys in Postgres, their private parts sealed."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def all(self) -> list[SealedKey]:
        """Every key, the oldest first."""
        async with self._database.transaction() as connection:
            rows = await connection.execute(select(signing_keys).order_by(signing_keys.c.created_at))
            return [_key(row) for row in rows.mappings()]

    async def fill(self, candidates: Iterable[SealedKey]) -> None:
        """Put candidates where the key set has a vacancy; of many processes at once, only one finds any.

        The look is a statement of its own: under READ COMMITTED it sees what was committed while the
        first one waited for the lock.
        """
        async with self._database.transaction() as connection:
            await connection.execute(select(func.pg_advisory_xact_lock(_ADVISORY_LOCK)))
            rows = await connection.execute(select(signing_keys))
            vacant = vacancies(_key(row) for row in rows.mappings())
            for state, key in zip(vacant, candidates, strict=False):
                activated_at = key.created_at if state is KeyState.SIGNING else None
                await connection.execute(
                    insert(signing_keys).values(
                        kid=key.kid,
                        algorithm=key.algorithm.value,
                        public_jwk=key.public_jwk,
                        sealed_private_key=key.sealed_private_key,
                        created_at=key.created_at,
                        activated_at=activated_at,
                    )
                )


def _key(row: Mapping[Any, Any]) -> SealedKey:
    return SealedKey(**{**row, "algorithm": Algorithm(row["algorithm"])})
