"""Every event is written with the change that it reports, and logged with the same fields."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import pytest
import structlog
from asyncpg import CheckViolationError

from app.domain.events import EventKind
from app.domain.refusals import Refusal, Refused
from app.domain.sessions import ClientKind
from app.wiring import Service
from tests.support.database import Sql, connect
from tests.support.events import EVENTS, FAILURES, HAPPENINGS, HERE, Happening, Scene, scene
from tests.support.people import PASSWORD
from tests.support.races import inside, waiting

pytestmark = pytest.mark.requirement("E5")

EVERYTHING = HAPPENINGS | FAILURES
COLUMNS = {
    "actor": "actor",
    "reason": "reason",
    "account": "account_id",
    "session": "session_id",
    "address": "address",
    "request_id": "request_id",
}
FURTHER = {"a change of password": ["login.succeeded"], "a deletion": ["account.deleted"]}
"""The kinds of what an action does beside."""
UNLOGGED = "account."
"""The prefix of kinds that are not logged, since the command reports them to the operator."""


@pytest.fixture(scope="module")
async def cheap(migrated: object, environment: dict[str, str]) -> AsyncIterator[Service]:
    async with inside(environment) as service:
        yield service


async def prepare_scene(service: Service, sql: Sql, happening: Happening) -> Scene:
    stage = await scene(service, sql)
    if happening.prepare is not None:
        await happening.prepare(stage)
    return stage


async def forbid(sql: Sql, stage: Scene, table: str, column: str) -> None:
    """Make every write to the rows of this account in the table fail."""
    await sql.execute(
        f"ALTER TABLE {table} ADD CONSTRAINT odd CHECK ({column} <> '{stage.person.id}') NOT VALID"
    )


async def test_each_kind_of_event_is_stored_with_its_change_and_logged(cheap: Service, sql: Sql) -> None:
    for name, happening in EVERYTHING.items():
        stage = await prepare_scene(cheap, sql, happening)
        with structlog.testing.capture_logs() as logs:
            await happening.bring(stage)
        row, *further = await stage.events()
        assert [each["kind"] for each in further] == FURTHER.get(name, [])
        assert (row["kind"], row["account_id"]) == (happening.kind, stage.person.id), name
        assert row["details"] == happening.details, name
        assert (row["actor"], row["reason"]) == (happening.actor, happening.reason), name
        assert row["actor_id"] == (str(stage.person.id) if happening.actor == "owner" else None), name
        seen = (HERE.address, HERE.request_id) if happening.by_visitor else (None, None)
        assert (row["address"], row["request_id"]) == seen, name
        if happening.kind is not EventKind.LOGIN_SUCCEEDED:
            assert row["session_id"] == (stage.session_id if happening.of_session else None), name
        lines = [line for line in logs if line["event"] == row["kind"]]
        if row["kind"].startswith(UNLOGGED) or (row["kind"], happening.by_visitor) == (
            "password.changed",
            False,
        ):
            assert lines == [], name
        else:
            assert [fields_of(line) for line in lines] == [logged_fields(row)], name


def fields_of(line: Any) -> dict[str, Any]:
    return {name: value for name, value in line.items() if name not in {"event", "log_level"}}


def logged_fields(row: dict[str, Any]) -> dict[str, Any]:
    named: dict[str, Any] = {
        name: str(row[column]) for name, column in COLUMNS.items() if row[column] is not None
    }
    return {**named, **row["details"]}


async def test_a_change_is_rolled_back_when_its_event_cannot_be_written(cheap: Service, sql: Sql) -> None:
    for name, happening in EVERYTHING.items():
        stage = await prepare_scene(cheap, sql, happening)
        before = await stage.state()
        await forbid(sql, stage, "events", "account_id")
        try:
            with pytest.raises(Exception, match="odd"), structlog.testing.capture_logs() as logs:
                await happening.bring(stage)
        finally:
            await sql.execute("ALTER TABLE events DROP CONSTRAINT odd")
        assert (await stage.state(), await stage.events()) == (before, []), name
        assert logs == [], name


async def test_a_change_that_fails_writes_no_event(cheap: Service, sql: Sql) -> None:
    for name, happening in HAPPENINGS.items():
        failed = 0
        for table, column in (("accounts", "id"), ("sessions", "account_id")):
            stage = await prepare_scene(cheap, sql, happening)
            before = await stage.state()
            await forbid(sql, stage, table, column)
            with structlog.testing.capture_logs() as logs:
                (outcome,) = await asyncio.gather(happening.bring(stage), return_exceptions=True)
            await sql.execute(f"ALTER TABLE {table} DROP CONSTRAINT odd")
            if isinstance(outcome, CheckViolationError):
                assert (await stage.state(), await stage.events(), logs) == (before, [], []), name
                failed += 1
            else:
                # It wrote to the other table only.
                assert len(await stage.events()) == 1 + len(FURTHER.get(name, [])), name
        assert failed, name


@pytest.mark.parametrize("name", ["a logout", "a disabling", "a change of password"])
async def test_a_connection_that_is_lost_midway_leaves_no_change_and_no_event(
    cheap: Service, sql: Sql, migrated: Any, name: str
) -> None:
    stage, holder = await prepare_scene(cheap, sql, HAPPENINGS[name]), await connect(migrated.database_url)
    before = await stage.state()
    async with holder.transaction():
        await holder.execute("SELECT FROM sessions WHERE id = $1 FOR UPDATE", stage.session_id)
        cut = asyncio.ensure_future(HAPPENINGS[name].bring(stage))
        await waiting(sql, 1)
        await sql.execute(
            """SELECT pg_terminate_backend(pid) FROM pg_stat_activity
               WHERE datname = current_database() AND wait_event_type = 'Lock'"""
        )
        await asyncio.wait([cut])
    await holder.close()
    assert (await stage.state(), await stage.events()) == (before, [])


async def test_a_change_without_effect_writes_no_event(cheap: Service, sql: Sql) -> None:
    stage = await scene(cheap, sql)
    cases, accounts, email = cheap.use_cases, cheap.accounts, stage.person.email
    await accounts.set_roles(email, ["editor"])
    await accounts.enable(email)
    await cases.logout(stage.pair.refresh_token, stage.token, HERE)
    for _ in range(2):
        await cases.logout(stage.pair.refresh_token, None, HERE)
        await cheap.operator_sessions.end(stage.session_id)
        await cheap.operator_sessions.end_of(email)
        await accounts.disable(email)
    assert [row["kind"] for row in await stage.events()] == ["session.ended", "account.disabled"]


async def test_a_reuse_is_one_event_even_if_it_is_replayed(cheap: Service, sql: Sql) -> None:
    happening = HAPPENINGS["a reuse"]
    stage = await prepare_scene(cheap, sql, happening)
    for _ in range(3):
        await happening.bring(stage)
    assert [row["kind"] for row in await stage.events()] == ["session.reuse_detected"]


async def test_a_login_without_an_account_names_no_account(cheap: Service, sql: Sql) -> None:
    newest = await sql.fetchval("SELECT coalesce(max(id), 0) FROM events")
    for email in (f"{uuid4().hex}@example.com", "no address at all"):
        with pytest.raises(Refused):
            await cheap.use_cases.login(email, PASSWORD, ClientKind.NATIVE, HERE)
    rows = await sql.fetch("SELECT * FROM events WHERE id > $1 ORDER BY id", newest)
    assert [(row["kind"], row["account_id"], row["actor"], row["reason"]) for row in rows] == [
        ("login.failed", None, "visitor", "unknown_account")
    ] * 2


async def test_the_creation_of_an_account_is_an_event(cheap: Service, sql: Sql) -> None:
    account = await cheap.accounts.create(f"{uuid4().hex}@example.com", PASSWORD, ["editor", "admin"])
    (row,) = await sql.fetch(EVENTS, account.id)
    assert (row["kind"], row["actor"], row["details"]) == (
        "account.created",
        "operator",
        '{"roles": "admin editor"}',
    )


@pytest.mark.parametrize("rival", ["a login", "another change"])
async def test_an_attempt_overtaken_by_a_password_change_is_recorded_as_failed(
    cheap: Service, sql: Sql, migrated: Any, rival: str
) -> None:
    stage, holder = await scene(cheap, sql), await connect(migrated.database_url)
    cases = cheap.use_cases
    async with holder.transaction():
        await holder.execute("SELECT FROM accounts WHERE id = $1 FOR UPDATE", stage.person.id)
        await holder.execute("UPDATE accounts SET password_version = 2 WHERE id = $1", stage.person.id)
        attempt = asyncio.ensure_future(
            cases.login(stage.person.email, PASSWORD, ClientKind.NATIVE, HERE)
            if rival == "a login"
            else cases.change_password(stage.token, PASSWORD, "another battery horse staple", HERE)
        )
        await waiting(sql, 1)
    await holder.close()
    with pytest.raises(Refused) as refused:
        await attempt
    assert refused.value.refusal is Refusal.INVALID_CREDENTIALS
    (row,) = await stage.events()
    kind = "login.failed" if rival == "a login" else "password.change_failed"
    assert (row["kind"], row["actor"], row["reason"]) == (kind, "owner", "overtaken")


async def test_of_two_concurrent_replays_one_is_an_event(cheap: Service, sql: Sql, migrated: Any) -> None:
    holder = await connect(migrated.database_url)
    for name in ("a reuse", "a reuse that ends the account's"):
        stage = await prepare_scene(cheap, sql, HAPPENINGS[name])
        async with holder.transaction():
            await holder.execute("SELECT FROM sessions WHERE id = $1 FOR UPDATE", stage.session_id)
            replays = [asyncio.ensure_future(HAPPENINGS[name].bring(stage)) for _ in range(2)]
            await waiting(sql, 2)
        await asyncio.gather(*replays)
        (row,) = await stage.events()
        assert row["details"] == {"ended": 1}, name
    await holder.close()


async def test_a_reuse_in_a_session_that_has_just_ended_ends_no_other_session(
    cheap: Service, sql: Sql, migrated: Any
) -> None:
    happening, holder = HAPPENINGS["a reuse that ends the account's"], await connect(migrated.database_url)
    stage = await prepare_scene(cheap, sql, happening)
    other = await cheap.use_cases.login(stage.person.email, PASSWORD, ClientKind.NATIVE, HERE)
    async with holder.transaction():
        await holder.execute("UPDATE sessions SET revoked_at = now() WHERE id = $1", stage.session_id)
        replay = asyncio.ensure_future(happening.bring(stage))
        await waiting(sql, 1)
    await replay
    await holder.close()
    assert [row["kind"] for row in await stage.events()] == ["login.succeeded"]
    await cheap.use_cases.who_am_i(other.access_token.text)
