"""The migration that numbers sessions, beside the release before and under the least role."""

import asyncio

import asyncpg
import pytest
from alembic import command

from app.storage.postgres.migrations import alembic_config
from tests.house.test_migrations import look
from tests.support.database import Sql
from tests.support.postgres import PASSWORDS, postgres
from tests.support.servers import ROOT

ACCOUNT = "00000000-0000-4000-8000-000000000001"
# As the release before writes them.
PERSON = f"INSERT INTO accounts (id, email, password_hash) VALUES ('{ACCOUNT}', 'a@example.com', 'hash')"
OPEN = f"""
INSERT INTO sessions (id, account_id, client, refresh_token_hash, created_at, refreshed_at, expires_at)
VALUES ($1, '{ACCOUNT}', 'native', '\\x00', now(), now(), now() + interval '1 day')
"""
REVOKE = "INSERT INTO revocations (id, expires_at) VALUES ($1, now() + interval '1 hour')"
FILE = "SELECT pg_relation_filenode('sessions')"
FIRST, SECOND, THIRD = (f"00000000-0000-4000-8000-00000000000{number}" for number in "234")


def test_sessions_get_numbers_while_old_code_goes_on(empty_database: str) -> None:
    config = alembic_config(empty_database)
    command.upgrade(config, "0010")

    async def migrate_beside(sql: Sql) -> None:
        await sql.execute(PERSON)
        await sql.execute(OPEN, FIRST)
        before = await sql.fetchval(FILE)
        await asyncio.to_thread(command.upgrade, config, "0011")
        # No row was rewritten, so it does not matter how many there are.
        assert await sql.fetchval(FILE) == before
        await sql.execute(OPEN, SECOND)
        await sql.execute(REVOKE, SECOND)
        # It deletes an account in the transaction that ends its sessions.
        await sql.execute(OPEN, THIRD)
        async with sql.transaction():
            await sql.execute(REVOKE, THIRD)
            number = await sql.fetchval("DELETE FROM sessions WHERE id = $1 RETURNING status", THIRD)
        assert await sql.fetchval("SELECT status FROM revocations WHERE id = $1", THIRD) == number
        await sql.execute(REVOKE, "the id of a token")
        rows = await sql.fetch("SELECT status IS NULL AS is_old FROM sessions ORDER BY id")
        assert [row["is_old"] for row in rows] == [True, False]

    look(empty_database, migrate_beside)
    command.downgrade(config, "0010")
    look(empty_database, lambda sql: sql.execute(REVOKE, FIRST))
    command.upgrade(config, "0011")


def test_a_role_that_could_open_sessions_before_the_migration_can_after_it() -> None:
    with postgres(hba=PASSWORDS) as server:
        owner = server.url("watchword_owner:owner", "watchword")
        asyncio.run(
            server.execute(
                "CREATE ROLE watchword_owner LOGIN CREATEROLE PASSWORD 'owner'",
                "CREATE ROLE bystander LOGIN PASSWORD 'other'",
                "CREATE DATABASE watchword OWNER watchword_owner TEMPLATE template0 ENCODING 'UTF8'",
            )
        )
        # Careful owners do so, and functions of later migrations are theirs alone then.
        look(
            owner, lambda sql: sql.execute("ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC")
        )
        command.upgrade(alembic_config(owner), "0010")
        grants = (ROOT / "deploy" / "grants.sql").read_text()
        # As a former release had it.
        former = "\n".join(
            line
            for line in grants.splitlines()
            if not any(new in line for new in ("SEQUENCES", "session_status"))
        )
        look(owner, lambda sql: sql.execute(former))
        look(owner, lambda sql: sql.execute(PERSON))
        asyncio.run(server.execute("CREATE ROLE \"By columns\" LOGIN PASSWORD 'columns'"))
        columns = OPEN.partition("(")[2].partition(")")[0]
        look(owner, lambda sql: sql.execute(f'GRANT INSERT ({columns}) ON sessions TO "By columns"'))
        look(owner, lambda sql: sql.execute('GRANT USAGE ON SCHEMA public TO "By columns"'))
        command.upgrade(alembic_config(owner), "0011")
        look(server.url("By%20columns:columns", "watchword"), lambda sql: sql.execute(OPEN, SECOND))
        asyncio.run(server.execute("ALTER ROLE watchword_service LOGIN PASSWORD 'service'"))
        look(server.url("watchword_service:service", "watchword"), lambda sql: sql.execute(OPEN, FIRST))
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            look(
                server.url("bystander:other", "watchword"),
                lambda sql: sql.fetchval("SELECT nextval('session_numbers')"),
            )
