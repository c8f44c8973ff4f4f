"""Rows that a purge deletes or keeps, and a brake for deletions."""

from datetime import timedelta

from tests.support.database import Sql

MANY, BATCH = 12_500, 5000
HOLD = 4711
OVER, NOT_YET = timedelta(hours=25), timedelta(hours=23)
"""How long ago a session expired that may be deleted, and one that has to stay."""

SESSIONS = """
INSERT INTO sessions (id, account_id, client, refresh_token_hash, created_at, refreshed_at, expires_at)
SELECT gen_random_uuid(), $1, 'browser', '', now() - interval '40 days', now() - interval '40 days',
    now() - $3::interval FROM generate_series(1, $2::int)
"""
REVOCATIONS = """
INSERT INTO revocations (id, expires_at)
SELECT gen_random_uuid()::text, now() - $2::interval FROM generate_series(1, $1::int)
"""
# Every deletion of a session waits until the lock is free.
BRAKE = f"""
CREATE FUNCTION brake() RETURNS trigger LANGUAGE plpgsql AS
$$BEGIN PERFORM pg_advisory_xact_lock_shared({HOLD}); RETURN OLD; END$$;
CREATE TRIGGER brake BEFORE DELETE ON sessions FOR EACH ROW EXECUTE FUNCTION brake();
"""


async def rows(sql: Sql, table: str = "sessions") -> int:
    found = await sql.fetchval(f"SELECT count(*) FROM {table}")
    assert isinstance(found, int)
    return found
