"""Every 503 leaves its cause in the log, in the words of the server that failed."""

import asyncio
import json
from pathlib import Path

import httpx2
import pytest

from tests.support.database import Sql
from tests.support.people import Person, login, new_person, problem_of, refresh
from tests.support.poolers import gate
from tests.support.roles import role
from tests.support.servers import Service, app, migrate
from tests.support.waiting import WELL, client_of, complete_logs, health, spawned, until

pytestmark = pytest.mark.requirement("E10")


async def cause_of(service: Service, answer: httpx2.Response) -> dict[str, str]:
    """The line of the log that says why this request was refused."""
    problem_of(answer, 503, "unavailable")
    found: list[dict[str, str]] = []

    async def is_logged() -> bool:
        lines = [json.loads(line) for line in service.logs().splitlines()]
        own = [line for line in lines if line.get("request_id") == answer.headers["x-request-id"]]
        found[:] = [line for line in own if "reason" in line]
        return any(line["event"] == "http.request" for line in own)

    await until(is_logged)
    (cause,) = found
    return cause


async def test_a_missing_column_and_a_missing_right_are_named(
    empty_database: str, environment: dict[str, str], tmp_path: Path
) -> None:
    migrate(environment | {"AUTH_DATABASE_URL": empty_database})
    async with role(empty_database) as least:
        owner, person = least.owner, await new_person(least.owner)
        behind = environment | {"AUTH_DATABASE_URL": least.url}
        with Service(behind, tmp_path) as service:
            async with client_of(service) as client:
                pair = (await login(client, person)).json()
                await owner.execute("ALTER TABLE sessions RENAME COLUMN rotated_by TO rb")
                cause = await cause_of(service, await refresh(client, pair["refresh_token"]))
                assert 'column "rotated_by" of relation "sessions" does not exist' in cause["reason"]
                await owner.execute("ALTER TABLE sessions RENAME COLUMN rb TO rotated_by")

                await owner.execute("ALTER TABLE sessions RENAME COLUMN user_agent TO ua")
                cause = await cause_of(service, await login(client, person))
                assert cause["event"] == "postgres.misconfigured"
                assert 'column "user_agent" of relation "sessions" does not exist' in cause["reason"]
                assert cause["mend"] == "run: python -m app migrate"
                await owner.execute("ALTER TABLE sessions RENAME COLUMN ua TO user_agent")

                await least.revoke("UPDATE", "accounts")
                cause = await cause_of(service, await login(client, person))
                assert cause["reason"].endswith("Postgres says: permission denied for table accounts")
                assert cause["mend"] == "run deploy/grants.sql as the owner of the tables"
                status, parts = await health(client)
                assert (status, parts["postgres"]) == (503, "failing")
                found = await asyncio.to_thread(app, "check-config", environment=behind)
                assert found.returncode == 1
                assert "lacks rights: UPDATE on accounts; run deploy/grants.sql" in " ".join(
                    found.stdout.split()
                )
                await least.grant("UPDATE", "accounts")
                assert await health(client) == (200, WELL)
                assert (await login(client, person)).status_code == 200


async def test_an_outage_is_named_with_the_words_of_the_system(
    migrated: object, environment: dict[str, str], sql: Sql, tmp_path: Path
) -> None:
    person = await new_person(sql)
    one = environment | {"AUTH_DATABASE_POOL_SIZE": "1"}
    with Service(one, tmp_path) as service:
        async with client_of(service) as client:
            async with sql.transaction():
                await sql.execute("LOCK TABLE accounts IN ACCESS EXCLUSIVE MODE")
                cause = await cause_of(service, await login(client, person))
            assert cause["event"] == "service.unavailable"
            assert cause["reason"]
    assert "Traceback" not in service.logs()


@pytest.mark.parametrize("sqlstate", ["XX000", "58000", "99999"])
async def test_a_pooler_that_refuses_connections_with_a_code_of_its_own_is_an_outage(
    migrated: object, environment: dict[str, str], person: Person, tmp_path: Path, sqlstate: str
) -> None:
    url, words = environment["AUTH_DATABASE_URL"], "max clients reached"
    async with gate(url, sqlstate, words) as pooler:
        behind = environment | {"AUTH_DATABASE_URL": pooler.url(url), "AUTH_DATABASE_POOL_SIZE": "1"}
        pooler.is_shut = True
        with spawned(behind, tmp_path) as service:

            async def waits() -> bool:
                return "postgres.awaited" in service.logs()

            await until(waits)
            pooler.is_shut = False
            assert await asyncio.to_thread(service.becomes_ready)
            async with client_of(service) as client:
                assert (await login(client, person)).status_code == 200

                pooler.shut()
                cause = await cause_of(service, await login(client, person))
                # The first statement may find its connection closed instead.
                assert cause["event"] == "service.unavailable"
                status, parts = await health(client)
                assert (status, parts["postgres"]) == (503, "failing")
                for command in ("users", "keys"):
                    done = await asyncio.to_thread(app, command, "list", environment=behind)
                    assert (done.returncode, done.stdout) == (1, "")
                    (line,) = done.stderr.splitlines()
                    assert words in line

                pooler.is_shut = False

                async def all_is_well() -> bool:
                    return (await health(client))[1] == WELL

                await until(all_is_well)
                assert (await login(client, person)).status_code == 200
            logs = await complete_logs(service)
            assert words in logs
            assert "exception" not in logs
