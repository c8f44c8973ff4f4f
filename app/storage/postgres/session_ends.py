"""The statements that end sessions; each writes the revocations as well."""

from sqlalchemy import text

from app.storage.postgres.database import BATCH
from app.storage.postgres.events import INSERT, event_from

END = f"""
WITH ended AS (
    UPDATE sessions SET revoked_at = clock_timestamp()
    WHERE id = $1 AND revoked_at IS NULL AND account_id = coalesce($4, account_id) RETURNING id, account_id
), revoked AS (
    INSERT INTO revocations (id, expires_at)
    SELECT unnest(ARRAY[id::text] || $3::text[]), clock_timestamp() + $2::interval FROM ended
    ON CONFLICT (id) DO NOTHING
), recorded AS (
    {INSERT} SELECT kind, actor, actor_id, reason, ended.account_id, ended.id, address, request_id, details
    FROM ended, {event_from("$5")}
)
SELECT account_id FROM ended
"""  # noqa: S608 - the only things put in are constants of ours
"""Ends the session $1, if $4 is its owner or null, and revokes its tokens $3."""

END_NEXT = f"""
WITH living AS (
    SELECT id FROM sessions WHERE id > $1 AND revoked_at IS NULL AND expires_at > clock_timestamp()
    ORDER BY id LIMIT {BATCH} FOR UPDATE
), ended AS (
    UPDATE sessions SET revoked_at = clock_timestamp() FROM living WHERE sessions.id = living.id
    RETURNING sessions.id
), recorded AS (
    {INSERT} SELECT kind, actor, actor_id, reason, account_id, session_id, address, request_id,
        details || jsonb_build_object('ended', (SELECT count(*) FROM ended))
    FROM {event_from("$3")} WHERE EXISTS (SELECT FROM ended)
)
INSERT INTO revocations (id, expires_at) SELECT id::text, clock_timestamp() + $2::interval FROM ended
ON CONFLICT (id) DO UPDATE SET expires_at = excluded.expires_at RETURNING id
"""  # noqa: S608 - the only thing put in is a constant of ours
"""Ends the first living sessions after the id $1, in the order of their ids."""

END_ALL = text("""
WITH living AS (
    SELECT id FROM sessions WHERE account_id = :account_id AND revoked_at IS NULL ORDER BY id FOR UPDATE
), ended AS (
    UPDATE sessions SET revoked_at = clock_timestamp() FROM living
    WHERE sessions.id = living.id
        AND (CAST(:if_lives AS uuid) IS NULL OR CAST(:if_lives AS uuid) IN (SELECT id FROM living))
    RETURNING sessions.id
)
INSERT INTO revocations (id, expires_at) SELECT id::text, clock_timestamp() + :revocation_ttl FROM ended
ON CONFLICT (id) DO NOTHING RETURNING id
""")
"""Ends every session of an account; with ``if_lives``, only while that one lives.

The caller records the event.
"""
