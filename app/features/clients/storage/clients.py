"""Service clients in Postgres: each change is one statement, which writes the event as well."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import asyncpg
import orjson

from app.domain.events import Event
from app.domain.revocations import Kind
from app.features.clients.domain import Client, ClientSecret
from app.storage.postgres.database import Database
from app.storage.postgres.events import COLUMNS, INSERT, as_json, events_from
from app.storage.postgres.sessions import SIGNING_KID

MOST_LISTED = 1000
"""Clients that are listed; a deployment has a few."""
_COLUMNS = f"""
id, name, scopes, secret_hash, secret_created_at, secret_used_at,
former_secret_hash, former_secret_created_at, former_secret_used_at, public_keys, created_at, {SIGNING_KID}
"""


def _changing(change: str) -> str:
    """The statement that makes a change which returns a row, and then writes the event $1."""
    return f"""
WITH changed AS ({change} RETURNING id), recorded AS (
    {INSERT} SELECT {COLUMNS} FROM {events_from("$1")} WHERE EXISTS (SELECT FROM changed)
)
SELECT id FROM changed
"""  # noqa: S608 - the only things put in are constants of ours


_BY_ID = f"SELECT {_COLUMNS} FROM service_clients WHERE id = $1"  # noqa: S608 - constants of ours
_BY_NAME = f"SELECT {_COLUMNS} FROM service_clients WHERE name = $1 OR id::text = $1"  # noqa: S608 - as above
_LIST = f"SELECT {_COLUMNS} FROM service_clients ORDER BY name LIMIT {MOST_LISTED}"  # noqa: S608 - as above
_ADD = _changing("""
    INSERT INTO service_clients (id, name, scopes, secret_hash, secret_created_at, public_keys)
    VALUES ($2, $3, $4, $5, CASE WHEN $5::bytea IS NOT NULL THEN clock_timestamp() END, $6::jsonb)
    ON CONFLICT (name) DO NOTHING
""")
_ROTATE_SECRET = _changing("""
    UPDATE service_clients SET
        former_secret_hash = CASE WHEN $4 THEN secret_hash END,
        former_secret_created_at = CASE WHEN $4 THEN secret_created_at END,
        former_secret_used_at = CASE WHEN $4 THEN secret_used_at END,
        secret_hash = $3, secret_created_at = clock_timestamp(), secret_used_at = NULL,
        public_keys = CASE WHEN $4 THEN public_keys ELSE '[]' END
    WHERE id = $2
""")
_ROTATE_KEYS = _changing("""
    UPDATE service_clients SET
        secret_hash = CASE WHEN $4 THEN secret_hash END,
        secret_created_at = CASE WHEN $4 THEN secret_created_at END,
        secret_used_at = CASE WHEN $4 THEN secret_used_at END,
        former_secret_hash = CASE WHEN $4 THEN former_secret_hash END,
        former_secret_created_at = CASE WHEN $4 THEN former_secret_created_at END,
        former_secret_used_at = CASE WHEN $4 THEN former_secret_used_at END,
        public_keys = $3::jsonb
    WHERE id = $2
""")
_SET_SCOPES = _changing("UPDATE service_clients SET scopes = $3 WHERE id = $2")
# The id of the client is revoked, and with it every token that was issued to it.
_DELETE = f"""
WITH changed AS (DELETE FROM service_clients WHERE id = $2 RETURNING id), recorded AS (
    {INSERT} SELECT {COLUMNS} FROM {events_from("$1")} WHERE EXISTS (SELECT FROM changed)
), revoked AS (
    INSERT INTO revocations (id, expires_at, kind)
    SELECT id::text, clock_timestamp() + $3::interval, '{Kind.CLIENT}' FROM changed
    ON CONFLICT (id) DO UPDATE SET expires_at = excluded.expires_at, tx = excluded.tx
)
SELECT id FROM changed
"""  # noqa: S608 - the only things put in are constants of ours
_USED = """
UPDATE service_clients SET
    secret_used_at = CASE secret_hash WHEN $2 THEN clock_timestamp() ELSE secret_used_at END,
    former_secret_used_at =
        CASE former_secret_hash WHEN $2 THEN clock_timestamp() ELSE former_secret_used_at END
WHERE id = $1 AND $2 IN (secret_hash, former_secret_hash)
"""


@dataclass(frozen=True, slots=True)
class ClientStore:
    """Service clients. All times come from the clock of the database."""

    database: Database
    revocation_ttl: timedelta

    async def by_id(self, client_id: UUID) -> Client | None:
        """The client with this id."""
        row = await self.database.row(_BY_ID, client_id)
        return None if row is None else _client(row)

    async def by_name(self, name: str) -> Client | None:
        """The client that is called so, or has this id."""
        row = await self.database.row(_BY_NAME, name)
        return None if row is None else _client(row)

    async def all(self) -> list[Client]:
        """The clients by name."""
        return [_client(row) for row in await self.database.rows(_LIST)]

    async def add(
        self,
        client_id: UUID,
        name: str,
        scopes: Sequence[str],
        credentials: tuple[bytes | None, Sequence[Mapping[str, str]]],
        event: Event,
    ) -> bool:
        """Add a client with the digest of its secret and its keys; False when another one has its name."""
        secret_digest, keys = credentials
        return await self._change(event, _ADD, client_id, name, list(scopes), secret_digest, _json(keys))

    async def rotate_secret(self, client_id: UUID, secret_digest: bytes, event: Event, *, keep: bool) -> bool:
        """Give the client a new secret; ``keep`` the newest one before as valid, and its keys."""
        return await self._change(event, _ROTATE_SECRET, client_id, secret_digest, keep)

    async def rotate_keys(
        self, client_id: UUID, keys: Sequence[Mapping[str, str]], event: Event, *, keep: bool
    ) -> bool:
        """Replace the client's public keys; ``keep`` its secrets as valid."""
        return await self._change(event, _ROTATE_KEYS, client_id, _json(keys), keep)

    async def set_scopes(self, client_id: UUID, scopes: Sequence[str], event: Event) -> bool:
        """Replace the client's scopes."""
        return await self._change(event, _SET_SCOPES, client_id, list(scopes))

    async def delete(self, client_id: UUID, event: Event) -> bool:
        """Delete the client, and revoke every access token that it has; the caller announces its id."""
        return await self._change(event, _DELETE, client_id, self.revocation_ttl)

    async def note_use(self, client_id: UUID, secret_digest: bytes) -> None:
        """Note that this secret was used now."""
        await self.database.rows(_USED, client_id, secret_digest)

    async def _change(self, event: Event, statement: str, *arguments: object) -> bool:
        """Make a change with its event, which the command prints; False when there is nothing to change."""
        return await self.database.row(statement, as_json(event), *arguments) is not None


def _client(row: asyncpg.Record) -> Client:
    secrets = [
        ClientSecret(row[f"{which}_hash"], row[f"{which}_created_at"], row[f"{which}_used_at"])
        for which in ("secret", "former_secret")
        if row[f"{which}_hash"] is not None
    ]
    return Client(
        id=row["id"],
        name=row["name"],
        scopes=tuple(row["scopes"]),
        secrets=tuple(secrets),
        keys=tuple(orjson.loads(row["public_keys"])),
        created_at=row["created_at"],
        signing_kid=row["signing_kid"],
    )


def _json(keys: Sequence[Mapping[str, str]]) -> str:
    return orjson.dumps([dict(key) for key in keys]).decode()
