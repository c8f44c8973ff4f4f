"""A process killed at any step of a rotation or a retirement leaves keys from which the next one goes on."""

import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from uuid import uuid4

import asyncpg
import httpx2
import pytest
import redis

from app.dev import Servers
from app.domain.events import Actor
from app.domain.keys import KeyState, retirement
from app.storage.postgres.keys import ADVISORY_LOCK
from app.storage.redis.client import prefix
from tests.support.database import Sql, connect
from tests.support.people import Person, login, me, new_person
from tests.support.processes import Process
from tests.support.races import parts
from tests.support.servers import ISSUER, Service, database, migrate, process_environment
from tests.support.tokens import sealed_keys
from tests.support.waiting import client_of, spawned, until

pytestmark = pytest.mark.requirement("E6")

OWN_LOCK = 4711
STEPS = {
    "the old key goes": "DELETE ON signing_keys",
    "its tokens are revoked": "INSERT ON revocations",
    "the old key signs no more": "UPDATE OF superseded_at ON signing_keys",
    "the standby signs": "UPDATE OF activated_at ON signing_keys",
    "a new standby comes": "INSERT ON signing_keys",
}
HANG = f"""
CREATE FUNCTION hang() RETURNS trigger LANGUAGE plpgsql AS
'BEGIN PERFORM pg_advisory_xact_lock({OWN_LOCK}); RETURN coalesce(NEW, OLD); END';
CREATE TRIGGER hang BEFORE {{step}} FOR EACH ROW EXECUTE FUNCTION hang();
"""
HANGING = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND pg_backend_pid() = ANY(pg_blocking_pids(pid))
"""
OTHERS_IN_TRANSACTION = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND xact_start IS NOT NULL
"""


@contextmanager
def migrated_environment(servers: Servers, environment: dict[str, str]) -> Iterator[dict[str, str]]:
    """On a database of its own; keys of this algorithm cost nothing to make."""
    with database(servers.database_url, f"watchword_{uuid4().hex}") as url:
        migrate({"AUTH_DATABASE_URL": url})
        yield environment | {"AUTH_DATABASE_URL": url, "AUTH_SIGNING_ALGORITHM": "EdDSA"}


@pytest.fixture(scope="module")
def own(servers: Servers, environment: dict[str, str]) -> Iterator[dict[str, str]]:
    with migrated_environment(servers, environment) as own:
        yield own


@pytest.fixture(scope="module")
def running(own: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with Service(own, tmp_path_factory.mktemp("running")) as running:
        yield running


@pytest.fixture
async def client(running: Service) -> AsyncIterator[httpx2.AsyncClient]:
    async with client_of(running) as client:
        yield client


@pytest.fixture
async def sql(own: dict[str, str]) -> AsyncIterator[Sql]:
    connection = await connect(own["AUTH_DATABASE_URL"])
    yield connection
    await connection.close()


async def rows(sql: Sql) -> list[list[asyncpg.Record]]:
    tables = ("signing_keys", "revocations")
    return [await sql.fetch(f"SELECT * FROM {table} ORDER BY 1") for table in tables]


async def kids(sql: Sql) -> tuple[str, str]:
    """The signing key and the standby."""
    keys = await sealed_keys(sql)
    return keys[KeyState.SIGNING].kid, keys[KeyState.STANDBY].kid


async def assert_one_signs_and_one_stands_by(sql: Sql) -> None:
    count = "SELECT count(*) FROM signing_keys WHERE superseded_at IS NULL AND activated_at IS"
    assert [await sql.fetchval(f"{count} {kind} NULL") for kind in ("", "NOT")] == [1, 1]


async def assert_well(client: httpx2.AsyncClient, person: Person) -> str:
    """Somebody signs in, and the token holds."""
    answer = await login(client, person)
    assert answer.status_code == 200, answer.text
    token = str(answer.json()["access_token"])
    assert (await me(client, token)).status_code == 200
    return token


@asynccontextmanager
async def stopped_at(sql: Sql, step: str | None) -> AsyncIterator[None]:
    """Whoever comes to this step waits there until the end; None is the step before all others."""
    lock = ADVISORY_LOCK if step is None else OWN_LOCK
    if step is not None:
        await sql.execute(HANG.format(step=step))
    await sql.execute(f"SELECT pg_advisory_lock({lock})")
    yield
    await sql.execute(f"SELECT pg_advisory_unlock({lock})")

    async def is_over() -> bool:
        """Postgres notices that the process is gone when it has something to say to it."""
        return not await sql.fetchval(OTHERS_IN_TRANSACTION)

    await until(is_over)
    await sql.execute("DROP FUNCTION IF EXISTS hang CASCADE")


async def hangs(sql: Sql) -> None:
    async def hanging() -> bool:
        return bool(await sql.fetchval(HANGING))

    await until(hanging)


@contextmanager
def command(environment: dict[str, str], *arguments: str) -> Iterator[Process]:
    with Path(os.devnull).open("r+") as nothing:
        process = Process(
            *("keys", *arguments),
            environment=process_environment(environment),
            stdin=nothing,
            stdout=nothing,
            stderr=nothing,
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize(
    ("operation", "step"),
    [
        ("rotate", None),
        *[("rotate", step) for step in list(STEPS)[2:]],
        ("retire", None),
        *[("retire", step) for step in STEPS if step != "the old key signs no more"],
    ],
)
async def test_a_command_killed_at_any_step_has_done_nothing_and_succeeds_when_it_is_repeated(
    own: dict[str, str], client: httpx2.AsyncClient, sql: Sql, operation: str, step: str | None
) -> None:
    person, before, (signing, standby) = await new_person(sql), await rows(sql), await kids(sql)
    token = await assert_well(client, person)
    arguments = ("rotate", "--now") if operation == "rotate" else ("retire", signing, "--yes")
    async with stopped_at(sql, step and STEPS[step]):
        with command(own, *arguments) as process:
            await hangs(sql)
            process.kill()
            assert process.wait() == -signal.SIGKILL
        # Even while Postgres has not noticed that it is gone.
        await assert_well(client, person)
    assert await rows(sql) == before
    await assert_well(client, person)
    assert (await me(client, token)).status_code == 200

    async with parts(own) as operator:
        if operation == "rotate":
            assert await operator.operator_keys.rotate(at_once=True) == standby
        else:
            await operator.operator_keys.retire(signing)
    await assert_one_signs_and_one_stands_by(sql)
    assert (await kids(sql))[0] == standby
    await assert_well(client, person)
    assert (await me(client, token)).status_code == (200 if operation == "rotate" else 401)


async def test_a_service_killed_amid_its_own_rotation_is_succeeded_by_the_next(
    servers: Servers, environment: dict[str, str], tmp_path: Path
) -> None:
    with migrated_environment(servers, environment) as own:
        async with parts(own) as first:
            await first.keys.load()
        sql = await connect(own["AUTH_DATABASE_URL"])
        person, (signing, standby) = await new_person(sql), await kids(sql)
        moments = ("created_at", "activated_at")
        shifted = ", ".join(f"{moment} = {moment} - interval '31 days'" for moment in moments)
        await sql.execute(f"UPDATE signing_keys SET {shifted}")
        before = await rows(sql)
        async with stopped_at(sql, STEPS["a new standby comes"]):
            with spawned(own, tmp_path):
                await hangs(sql)
        assert await rows(sql) == before

        with Service(own, tmp_path) as second:
            async with client_of(second) as client:
                await assert_well(client, person)
                published = (await client.get("/.well-known/jwks.json")).json()["keys"]
        keys = await sealed_keys(sql)
        assert keys[KeyState.VERIFYING].kid == signing
        assert keys[KeyState.SIGNING].kid == standby
        await assert_one_signs_and_one_stands_by(sql)
        assert {key["kid"] for key in published} == {key.kid for key in keys.values()}
        await sql.close()


async def test_a_retirement_that_redis_was_not_told_of_is_known_everywhere_in_the_end(
    own: dict[str, str], client: httpx2.AsyncClient, sql: Sql
) -> None:
    person, (signing, _) = await new_person(sql), await kids(sql)
    token = await assert_well(client, person)
    async with parts(own) as operator:
        # All that a command does before it tells Redis.
        changes, lasts = operator.operator_keys.changes, operator.operator_keys.policy.verifying
        await changes.make(lambda keys, _: retirement(keys, signing), Actor.OPERATOR, revoked_for=lasts)

        async def is_refused() -> bool:
            return (await me(client, token)).status_code == 401

        await until(is_refused)

        async def is_known() -> bool:
            with redis.Redis.from_url(own["AUTH_REDIS_URL"]) as index:
                return bool(index.exists(f"{prefix(ISSUER)}blacklist:{signing}"))

        await until(is_known)
    await assert_well(client, person)
    await assert_one_signs_and_one_stands_by(sql)
    assert signing not in await kids(sql)
