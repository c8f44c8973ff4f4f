"""The rights that the service asks for are those that requests and jobs need."""

from collections.abc import AsyncIterator

import pytest

from app.domain.sessions import ClientKind
from app.domain.visitors import Visitor
from app.storage.postgres.database import open_database
from app.storage.postgres.outages import Misconfigured
from app.storage.postgres.probe import RIGHTS
from app.wiring import Service
from tests.support.database import Sql
from tests.support.people import PASSWORD, new_person
from tests.support.races import CHEAP_HASH, inside, sign_in
from tests.support.roles import Role, role
from tests.support.servers import migrate

VISITOR = Visitor("192.0.2.1", "tests")


@pytest.fixture
async def least(empty_database: str, environment: dict[str, str]) -> AsyncIterator[Role]:
    """A role that may do what the service asks for on tables of its own, and nothing else."""
    migrate(environment | {"AUTH_DATABASE_URL": empty_database})
    async with role(empty_database) as made:
        yield made


async def rotate_keys(parts: Service, owner: Sql) -> None:
    """A key that is due is superseded, and later deleted."""
    older = "created_at = created_at - interval '9 years', activated_at = activated_at - interval '9 years'"
    for statement in (
        f"UPDATE signing_keys SET {older}",
        f"UPDATE signing_keys SET {older}, superseded_at = superseded_at - interval '8 years'",
    ):
        await owner.execute(statement)
        await parts.keys.load()
    kinds = {row["kind"] for row in await owner.fetch("SELECT kind FROM events")}
    assert {"key.rotated", "key.deleted"} <= kinds


async def test_a_role_with_these_rights_serves_every_request_and_job(
    least: Role, environment: dict[str, str]
) -> None:
    person = await new_person(least.owner, password_hash=CHEAP_HASH)
    async with inside(environment | {"AUTH_DATABASE_URL": least.url}) as parts:
        cases = parts.use_cases
        assert (await cases.readiness()).is_ready
        pair = await sign_in(parts, person)
        kept = await cases.refresh(pair.refresh_token, ClientKind.NATIVE, VISITOR)
        await sign_in(parts, person)
        changed = await cases.change_password(
            kept.access_token.text, PASSWORD, "another horse and its battery", VISITOR, ClientKind.NATIVE
        )
        await cases.logout(changed.refresh_token, None, VISITOR)

        await rotate_keys(parts, least.owner)
        await least.owner.execute("ALTER TABLE events DISABLE TRIGGER ALL")
        for statement in (
            "UPDATE sessions SET expires_at = now() - interval '1 year'",
            "UPDATE revocations SET expires_at = now() - interval '1 year'",
            "UPDATE events SET at = now() - interval '9 years'",
        ):
            await least.owner.execute(statement)
        await parts.purge()
        for table in ("sessions", "revocations", "events"):
            assert await least.owner.fetchval(f"SELECT count(*) FROM {table}") == 0, table
        await parts.revocations.reindex()


@pytest.mark.requirement("E10")
async def test_each_missing_right_is_named(least: Role) -> None:
    database = open_database(least.url, pool_size=1)
    await database.ping()
    for table, rights in RIGHTS.items():
        for right in rights:
            await least.revoke(right, table)
            with pytest.raises(Misconfigured) as refused:
                await database.ping()
            words = f"permission denied for table {table}" if right == "SELECT" else f"{right} on {table}"
            assert refused.value.reason.endswith(words)
            assert refused.value.mend == "run deploy/grants.sql as the owner of the tables"
            await least.grant(right, table)
    await database.ping()
    await database.close()


async def test_rights_on_columns_are_enough(least: Role) -> None:
    await least.revoke("UPDATE", "accounts")
    await least.owner.execute(f"GRANT UPDATE (password_hash, password_version) ON accounts TO {least.name}")
    database = open_database(least.url, pool_size=1)
    await database.ping()
    await database.close()
