"""The table that holds the revision, in a database that is ours, shared, or of an earlier release."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

import pytest
from alembic import command

from app.storage.postgres.migrations import alembic_config, known
from tests.support.database import connect
from tests.support.servers import app

NEWEST = known()[-1]
OTHERS = "CREATE TABLE alembic_version (version_num varchar(32) PRIMARY KEY)"
OURS = "SELECT version_num FROM watchword_alembic_version"
FORMER = "SELECT version_num FROM alembic_version"
# What the last release that recorded revisions in alembic_version left behind.
BACK_TO_THE_FORMER = (
    OTHERS,
    "INSERT INTO alembic_version SELECT version_num FROM watchword_alembic_version",
    "DROP TABLE watchword_alembic_version",
)


async def execute(url: str, *statements: str) -> None:
    sql = await connect(url)
    for statement in statements:
        await sql.execute(statement)
    await sql.close()


async def values(url: str, question: str) -> list[object]:
    sql = await connect(url)
    found = [row[0] for row in await sql.fetch(question)]
    await sql.close()
    return found


async def migrate(url: str) -> tuple[int, str, str]:
    done = await asyncio.to_thread(app, "migrate", environment={"AUTH_DATABASE_URL": url})
    return done.returncode, done.stdout, done.stderr


async def downgrade(url: str, revision: str) -> None:
    await asyncio.to_thread(command.downgrade, alembic_config(url), revision)


async def test_migrate_says_what_it_did(empty_database: str) -> None:
    assert await migrate(empty_database) == (0, f"the tables are made: revision {NEWEST}\n", "")
    nothing = f"nothing to do: the tables have revision {NEWEST}\n"
    assert await migrate(empty_database) == (0, nothing, "")
    await downgrade(empty_database, "0002")
    done = f"the tables are migrated: from revision 0002 to {NEWEST}\n"
    assert await migrate(empty_database) == (0, done, "")


@pytest.mark.parametrize("version", ["0001", "0002", "0003", "9f2c4e"])
async def test_another_application_s_version_is_neither_believed_nor_changed(
    empty_database: str, version: str
) -> None:
    await execute(empty_database, OTHERS, f"INSERT INTO alembic_version VALUES ('{version}')")
    assert await migrate(empty_database) == (0, f"the tables are made: revision {NEWEST}\n", "")
    assert await values(empty_database, FORMER) == [version]
    assert await values(empty_database, OURS) == [NEWEST]


@pytest.mark.parametrize("revision", ["0001", "0002", "0003"])
async def test_tables_of_an_earlier_release_are_taken_over_and_its_version_stays_for_it(
    empty_database: str, revision: str
) -> None:
    await migrate(empty_database)
    await downgrade(empty_database, revision)
    await execute(empty_database, *BACK_TO_THE_FORMER)
    status, said, complaint = await migrate(empty_database)
    assert (status, complaint) == (0, "")
    assert f"revision {revision}" in said
    assert await values(empty_database, OURS) == [NEWEST]
    assert await values(empty_database, FORMER) == [revision]


async def test_tables_are_taken_over_where_another_application_has_overwritten_the_version(
    empty_database: str,
) -> None:
    await migrate(empty_database)
    await downgrade(empty_database, "0003")
    await execute(empty_database, *BACK_TO_THE_FORMER, "UPDATE alembic_version SET version_num = '9f2c4e'")
    assert (await migrate(empty_database))[0] == 0
    assert await values(empty_database, OURS) == [NEWEST]
    assert await values(empty_database, FORMER) == ["9f2c4e"]


async def test_of_migrations_that_take_over_at_once_one_works(empty_database: str) -> None:
    await migrate(empty_database)
    await downgrade(empty_database, "0002")
    await execute(empty_database, *BACK_TO_THE_FORMER)
    with ThreadPoolExecutor(3) as threads:
        loop = asyncio.get_running_loop()
        environment = {"AUTH_DATABASE_URL": empty_database}
        running = [
            loop.run_in_executor(threads, lambda: app("migrate", environment=environment)) for _ in range(3)
        ]
        done = await asyncio.gather(*running)
    assert [(each.returncode, each.stderr) for each in done] == [(0, "")] * 3
    assert sorted(each.stdout.partition(":")[0] for each in done) == [
        "nothing to do",
        "nothing to do",
        "the tables are migrated",
    ]
    assert await values(empty_database, OURS) == [NEWEST]


@pytest.mark.parametrize(
    "theirs",
    [
        "CREATE TABLE accounts (id serial PRIMARY KEY, email text)",
        "CREATE TABLE sessions (sid varchar PRIMARY KEY, sess json, expire timestamp)",
        "CREATE VIEW events AS SELECT 1 AS id",
    ],
)
async def test_tables_of_another_application_are_refused_in_one_line(
    empty_database: str, theirs: str
) -> None:
    name = theirs.split()[2]
    await execute(empty_database, theirs, OTHERS, "INSERT INTO alembic_version VALUES ('0003')")
    status, said, complaint = await migrate(empty_database)
    assert (status, said) == (1, "")
    (line,) = complaint.splitlines()
    assert f'"{name}" already exists' in line
    assert "Watchword did not make" in line
    made = (
        "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'v')"
    )
    assert sorted(map(str, await values(empty_database, made))) == sorted([name, "alembic_version"])
    assert await values(empty_database, FORMER) == ["0003"]
