"""The statements that end sessions; each writes the revocations as well."""

from dataclasses import replace
from datetime import timedelta
from uuid import UUID

from app.domain.events import Actor, Event, EventKind, Reason
from app.domain.revocations import Ended, Kind, Rest
from app.storage.postgres.connections import Connection
from app.storage.postgres.database import BATCH
from app.storage.postgres.events import INSERT, events_from, record

END = f"""
WITH barred AS (
    SELECT EXISTS (SELECT FROM revocations WHERE id = ANY($6::text[]) AND expires_at > statement_timestamp())
), ended AS (
    UPDATE sessions SET revoked_at = clock_timestamp()
    WHERE id = $1 AND revoked_at IS NULL AND account_id = coalesce($4, account_id)
        AND refresh_token_hash = coalesce($7, refresh_token_hash) AND NOT (SELECT "exists" FROM barred)
    RETURNING id, account_id, status
), revoked AS (
    INSERT INTO revocations (id, expires_at, kind, subject, status, reason)
    SELECT ended.id::text, clock_timestamp() + $2::interval, '{Kind.SESSION}', ended.account_id, ended.status,
        coalesce(reason, kind)
    FROM ended, {events_from("$5")}
    UNION ALL
    SELECT unnest($3::text[]), clock_timestamp() + $2::interval, '{Kind.TOKEN}', NULL, NULL, NULL FROM ended
    ON CONFLICT (id) DO NOTHING
), recorded AS (
    {INSERT} SELECT kind, actor,
        CASE actor WHEN '{Actor.OWNER}' THEN ended.account_id::text ELSE actor_id END,
        reason, ended.account_id, ended.id, address, request_id, details
    FROM ended, {events_from("$5")}
)
SELECT barred."exists" AS is_barred, ended.account_id FROM barred LEFT JOIN ended ON true
"""  # noqa: S608 - the only things put in are constants of ours
"""Ends the session $1, if $4 is its owner or null, and revokes its tokens $3; always one row.

Nothing ends if one of the ids $6 is revoked, or unless $7 is null or the hash of the current refresh token.
"""


def _batch(living: str, reason: str, recorded: str = "") -> str:
    """The statement that ends the sessions of the part ``living``, for a reason; $1 is the TTL.

    It returns their ids, and their accounts. Rows are locked in the order of their accounts and ids, so two
    such statements never wait for each other. Ids are looked up as an array, for which Postgres takes the
    primary key however many there may be.
    """
    return f"""
WITH {living}, ended AS (
    UPDATE sessions SET revoked_at = clock_timestamp()
    WHERE id = ANY(ARRAY(SELECT id FROM living)) RETURNING id, account_id, status
){recorded}, revoked AS (
    INSERT INTO revocations (id, expires_at, kind, subject, status, reason)
    SELECT id::text, clock_timestamp() + $1::interval, '{Kind.SESSION}', account_id, status, {reason}
    FROM ended
    ON CONFLICT (id) DO UPDATE SET expires_at = excluded.expires_at, tx = excluded.tx
)
SELECT id, account_id FROM ended
"""  # noqa: S608 - the only things put in are constants of ours


def _next(condition: str) -> str:
    """The statement that ends a batch of sessions, and writes the event $3.

    It reads the index of the sessions that have not ended, in its order, from where the former batch ended.
    """
    return _batch(
        f"""living AS (
    SELECT id FROM sessions WHERE revoked_at IS NULL AND {condition}
    ORDER BY account_id, id LIMIT {BATCH} FOR UPDATE
)""",  # noqa: S608 - the only things put in are constants of ours
        f"(SELECT coalesce(reason, kind) FROM {events_from('$3')})",  # noqa: S608 - likewise
        f""", recorded AS (
    {INSERT} SELECT kind, actor, actor_id, reason, account_id, session_id, address, request_id,
        details || jsonb_build_object('ended', (SELECT count(*) FROM ended))
    FROM {events_from("$3")} WHERE EXISTS (SELECT FROM ended)
)""",  # noqa: S608 - the only things put in are constants of ours
    )


END_NEXT = _next("(account_id, id) > ($4, $2) AND expires_at > statement_timestamp()")
"""Ends a batch of living sessions after the session $2 of the account $4."""

END_NEXT_OF_ACCOUNT = _next(
    "account_id = $4 AND id > $2 AND created_at <= (SELECT sessions_ended_at FROM accounts WHERE id = $4)"
)
"""Ends a batch of the sessions of the account $4 that it had when it ended all of them, after the id $2."""

END_FIRST_OF_ACCOUNT = _batch(
    f"""chosen AS (
    SELECT id FROM sessions WHERE account_id = $2 AND revoked_at IS NULL ORDER BY id LIMIT {BATCH}
), locked AS (
    SELECT id FROM sessions WHERE id = ANY(ARRAY(SELECT id FROM chosen) || $3::uuid) AND revoked_at IS NULL
    ORDER BY id FOR UPDATE
), living AS (
    SELECT id FROM locked WHERE $3 IS NULL OR $3 IN (SELECT id FROM locked)
)""",  # noqa: S608 - the only thing put in is a constant of ours
    "$4::text",
)
"""Ends a batch of the sessions of the account $2 for the reason $4; unless $3 is null, only while $3 lives.

The caller has locked the account, and records the event.
"""

END_SURPLUS = _batch(
    f"""chosen AS (
    SELECT id, refreshed_at, expires_at FROM sessions
    WHERE account_id = $2 AND revoked_at IS NULL AND id IS DISTINCT FROM $3::uuid
    ORDER BY id LIMIT $4::int + {BATCH}
), surplus AS (
    SELECT id FROM chosen
    ORDER BY expires_at > statement_timestamp() DESC, refreshed_at DESC OFFSET $4::int - 1
), living AS (
    SELECT id FROM sessions WHERE id = ANY(ARRAY(SELECT id FROM surplus) || $3::uuid) AND revoked_at IS NULL
    ORDER BY id FOR UPDATE
)""",  # noqa: S608 - the only thing put in is a constant of ours
    f"CASE id WHEN $3::uuid THEN '{Reason.REPLACED}' ELSE '{Reason.DISPLACED}' END",
)
"""Leaves the account $2 room for one of $4 sessions, by ending those unused longest, and ends the session $3.

The caller has locked the account, and records the events. Of an account with more sessions than a batch, this
looks only at so many.
"""

_END_OLDER = "UPDATE accounts SET sessions_ended_at = clock_timestamp() WHERE id = $1"
_IS_LEFT = "SELECT EXISTS (SELECT FROM sessions WHERE account_id = $1 AND revoked_at IS NULL)"


async def end_of_account(
    connection: Connection,
    account_id: UUID,
    event: Event,
    revocation_ttl: timedelta,
    *,
    changed: bool,
    if_lives: UUID | None = None,
) -> Ended:
    """End a batch of the account's sessions; those that are left are the ``rest``.

    No session that was opened before the commit continues after it, whether it is left or not. With
    ``if_lives``, nothing ends unless that session lives. The event is recorded with the number of sessions
    unless nothing changed and none ended.

    The caller has changed or locked the account: a login in flight holds its row, so its session is seen.
    """
    reason = event.reason or event.kind
    rows = await connection.fetch(END_FIRST_OF_ACCOUNT, revocation_ttl, account_id, if_lives, reason.value)
    ended = Ended.of(row["id"] for row in rows)
    if if_lives is not None and not ended.sessions:
        return ended
    await connection.fetch(_END_OLDER, account_id)
    if changed or ended.sessions:
        await record(connection, event.with_details(ended=ended.sessions))
    if not await connection.fetchval(_IS_LEFT, account_id):
        return ended
    remaining = replace(
        event, kind=EventKind.SESSION_ENDED, session_id=None, reason=Reason.REMAINING, details={}
    )
    return replace(ended, rest=Rest(account_id, remaining))
