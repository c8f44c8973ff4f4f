"""Each change of the signing keys writes its events in the same transaction."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import structlog
from asyncpg import IntegrityConstraintViolationError

from app.domain.keys import KeyState, in_state
from app.services.operator.keys import Keys
from tests.support.database import Sql, connect
from tests.support.races import parts
from tests.support.servers import migrate

SERVICE, OPERATOR = "service", "operator"


@pytest.fixture
async def own(empty_database: str, environment: dict[str, str]) -> AsyncIterator[tuple[Keys, Sql]]:
    """Keys that are cheap to make, in a database of their own."""
    migrate({"AUTH_DATABASE_URL": empty_database})
    own = environment | {"AUTH_DATABASE_URL": empty_database, "AUTH_SIGNING_ALGORITHM": "EdDSA"}
    sql = await connect(empty_database)
    async with parts(own) as service:
        yield service.operator_keys, sql
    await sql.close()


async def kid(keys: Keys, state: KeyState) -> str:
    found = in_state([key for key, _ in await keys.all()], state)
    assert found is not None
    return found.kid


async def test_each_key_change_is_stored_and_logged_with_its_actor(own: tuple[Keys, Sql]) -> None:
    keys, sql = own
    with structlog.testing.capture_logs() as logs:
        await keys.changes.advance()
        first, second = await kid(keys, KeyState.SIGNING), await kid(keys, KeyState.STANDBY)
        await keys.rotate(at_once=True)
        third = await kid(keys, KeyState.STANDBY)
        await keys.retire(third)
        fourth = await kid(keys, KeyState.STANDBY)
        await sql.execute(
            "UPDATE signing_keys SET superseded_at = now() - interval '1 day' WHERE kid = $1", first
        )
        await keys.changes.advance()

    def created(kid: str, state: str) -> dict[str, Any]:
        return {"kid": kid, "algorithm": "EdDSA", "state": state}

    expected: list[tuple[str, str, dict[str, Any]]] = [
        ("key.created", SERVICE, created(first, "signing")),
        ("key.created", SERVICE, created(second, "standby")),
        ("key.created", OPERATOR, created(third, "standby")),
        ("key.rotated", OPERATOR, {"kid": second}),
        ("key.created", OPERATOR, created(fourth, "standby")),
        ("key.retired", OPERATOR, {"kid": third}),
        ("key.deleted", SERVICE, {"kid": first}),
    ]
    rows = await sql.fetch("SELECT * FROM events ORDER BY id")
    assert [(row["kind"], row["actor"], json.loads(row["details"])) for row in rows] == expected
    lines = [line for line in logs if line["event"].startswith("key.")]
    assert lines == [
        {"event": kind, "log_level": "info", "actor": actor, **details} for kind, actor, details in expected
    ]


async def test_a_key_change_is_rolled_back_when_its_event_cannot_be_written(own: tuple[Keys, Sql]) -> None:
    keys, sql = own
    await keys.changes.advance()
    before = await keys.all()
    await sql.execute("ALTER TABLE events ADD CONSTRAINT odd CHECK (kind <> 'key.rotated') NOT VALID")
    with structlog.testing.capture_logs() as logs, pytest.raises(IntegrityConstraintViolationError):
        await keys.rotate(at_once=True)
    assert (await keys.all(), logs) == (before, [])
    assert await sql.fetchval("SELECT count(*) FROM events") == 2
