"""Fills a database with millions of sessions, by statements of the server alone."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from secrets import token_bytes
from typing import NamedTuple

from app.crypto.refresh_tokens import SEED_LENGTH, RefreshTokens
from app.crypto.secrets import ServiceSecrets
from app.settings import Settings
from tests.support.database import Sql, connect

TABLES = ("accounts", "sessions")
SESSIONS_PER_ACCOUNT = 10
EXPIRED_OF = 50
"""One of so many sessions has expired: the oldest, which lie together in the table."""
EXPIRED_BEFORE = timedelta(hours=12)
"""They expired longer ago than this, and less than the day after which a service deletes them."""
_LONGEST = "10min"
_KEYS = """
SELECT conrelid::regclass::text AS owner, conname AS name, pg_get_constraintdef(oid) AS definition, contype
FROM pg_constraint WHERE conrelid = ANY($1::text[]::regclass[]) AND contype IN ('p', 'u', 'f')
ORDER BY contype = 'f'
"""
_INDEXES = """
SELECT indexname AS name, indexdef AS definition FROM pg_indexes
WHERE tablename = ANY($1) AND indexname NOT IN (SELECT conname FROM pg_constraint)
"""
_ACCOUNTS = """
INSERT INTO accounts (id, email, password_hash)
SELECT md5(number::text)::uuid, 'person-' || number || '@example.com', ''
FROM generate_series(1, $1::int) AS number
"""
# As after many refreshes: with the times of four generations, an address and a usual user agent. Neighbours
# in the table belong to different accounts and were refreshed at different times.
_SESSIONS = f"""
INSERT INTO sessions (
    id, account_id, client, refresh_token_hash, generation, superseded_at,
    created_at, refreshed_at, expires_at, address, user_agent
)
SELECT gen_random_uuid(), md5((1 + number % $2)::text)::uuid, 'native', sha256(number::text::bytea), 9,
    array_fill(refreshed, ARRAY[4]), refreshed - interval '1 day', refreshed,
    (number & 1023) * interval '1 s' + CASE
        WHEN number <= $1 / {EXPIRED_OF} THEN now() - interval '15 hours' ELSE now() + interval '80 days'
    END,
    '192.0.2.17',
    'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36'
FROM generate_series(1, $1::bigint) AS number,
    LATERAL (SELECT now() - ((hashint8(number) & 1048575) / 1048576.0) * interval '1 day') AS last (refreshed)
"""  # noqa: S608 - the only thing put in is a constant of ours
_CHOSEN = "SELECT id FROM sessions WHERE expires_at > now() ORDER BY id LIMIT $1"
_HOLD = """
UPDATE sessions SET refresh_token_hash = held.digest, generation = 0
FROM unnest($1::uuid[], $2::bytea[]) AS held (id, digest) WHERE sessions.id = held.id
"""


class Filled(NamedTuple):
    """What a database holds, and the refresh tokens of some of its sessions."""

    sessions: int
    table_bytes: int
    index_bytes: int
    tokens: list[str]


async def fill(environment: Mapping[str, str], sessions: int, refreshed: int) -> Filled:
    """Write accounts and sessions into a migrated database, and return tokens of ``refreshed`` sessions.

    The sessions that are refreshed lie anywhere in the table, because their ids are random. Keys, indexes and
    triggers are put aside while the rows are written.
    """
    sql = await connect(environment["AUTH_DATABASE_URL"])
    await sql.execute(f"SET statement_timeout = '{_LONGEST}'")
    await sql.execute("SET session_replication_role = replica")
    await sql.execute("SET maintenance_work_mem = '1GB'")
    accounts = max(1, sessions // SESSIONS_PER_ACCOUNT)
    async with sql.transaction():
        # In a transaction that empties the tables, a server with wal_level=minimal logs no row.
        await sql.execute("TRUNCATE accounts CASCADE")
        again = await _put_aside(sql)
        await sql.execute(_ACCOUNTS, accounts)
        await sql.execute(_SESSIONS, sessions, accounts)
        for statement in again:
            await sql.execute(statement)
    tokens = await _hold(sql, environment, refreshed)
    await sql.execute("VACUUM (ANALYZE)")
    table, indexes = await sql.fetchrow("SELECT pg_table_size('sessions'), pg_indexes_size('sessions')") or (
        0,
        0,
    )
    await sql.close()
    return Filled(sessions, table, indexes, tokens)


async def _put_aside(sql: Sql) -> Sequence[str]:
    """Drop keys and indexes, and return the statements that make them again."""
    again = []
    for key in await sql.fetch(_INDEXES, TABLES):
        await sql.execute(f"DROP INDEX {key['name']}")
        again.append(key["definition"])
    keys = await sql.fetch(_KEYS, TABLES)
    for key in reversed(keys):
        await sql.execute(f"ALTER TABLE {key['owner']} DROP CONSTRAINT {key['name']}")
    made = [f"ALTER TABLE {key['owner']} ADD CONSTRAINT {key['name']} {key['definition']}" for key in keys]
    return [*made, *again]


async def _hold(sql: Sql, environment: Mapping[str, str], number: int) -> list[str]:
    """Give so many sessions refresh tokens that a client can present, and return these."""
    names = {name.removeprefix("AUTH_").lower(): value for name, value in environment.items()}
    made = RefreshTokens(ServiceSecrets(Settings.model_validate(names).secret_keys))
    ids = [row["id"] for row in await sql.fetch(_CHOSEN, number)]
    tokens = [made.first(session_id, token_bytes(SEED_LENGTH)) for session_id in ids]
    await sql.execute(_HOLD, ids, [token.digest for token in tokens])
    return [token.text for token in tokens]
