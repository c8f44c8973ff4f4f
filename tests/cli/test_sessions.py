"""The operator's commands on sessions, and `purge`, as scripts and people run them."""

import json
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from uuid import uuid4

import httpx2
import pytest

from app.dev import Servers
from tests.support.database import Sql, connect
from tests.support.people import (
    Person,
    bearing,
    browser_login,
    browser_refresh,
    login,
    me,
    new_person,
    problem_of,
    refresh,
    sessions_of,
)
from tests.support.servers import app, database, migrate

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
FIELDS = ["id", "client", "created_at", "last_used_at", "address", "user_agent"]
ACTIVE_SESSIONS = """
INSERT INTO sessions (id, account_id, client, refresh_token_hash, created_at, refreshed_at, expires_at)
SELECT gen_random_uuid(), $1, 'native', '', now(), now(), now() + interval '1 day'
FROM generate_series(1, $2::int)
"""


class Commands:
    """Runs `python -m app ...` on the servers of an environment."""

    def __init__(self, environment: dict[str, str]) -> None:
        self._environment = environment

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return app(*arguments, environment=self._environment)

    def done(self, *arguments: str) -> str:
        """The output of a command that must succeed. Its log on stderr consists of JSON lines."""
        done = self.run(*arguments)
        assert done.returncode == 0, done.stderr
        assert all(json.loads(line)["event"] == "session.ended" for line in done.stderr.splitlines())
        return done.stdout


@pytest.fixture
def commands(migrated: object, environment: dict[str, str]) -> Commands:
    return Commands(environment)


@pytest.fixture
def apart(servers: Servers, environment: dict[str, str]) -> Iterator[dict[str, str]]:
    """An environment with its own database, in which every session may be ended."""
    with database(servers.database_url, f"watchword_{uuid4().hex}") as url:
        apart = environment | {"AUTH_DATABASE_URL": url}
        migrate(apart)
        yield apart


async def id_of(client: httpx2.AsyncClient, access_token: str) -> str:
    sessions = (await client.get("/sessions", headers=bearing(access_token))).json()["sessions"]
    (current,) = [session["id"] for session in sessions if session["current"]]
    return str(current)


async def test_the_active_sessions_of_an_account_are_listed_for_people_and_for_programs(
    commands: Commands, client: httpx2.AsyncClient, person: Person, sql: Sql
) -> None:
    await login(client, await new_person(sql))
    ended = (await login(client, person)).json()
    await client.post("/logout", headers=bearing(ended["access_token"]))
    client.headers["User-Agent"] = FIREFOX
    await browser_login(client, person)
    client.headers["User-Agent"] = "<b>of our own</b>"
    await login(client, person)
    rows = [row for row in reversed(await sessions_of(sql, person)) if not row["revoked_at"]]

    listed = json.loads(commands.done("sessions", "list", person.email, "--json"))

    assert [list(session) for session in listed] == [FIELDS, FIELDS]
    assert [(session["client"], session["user_agent"]) for session in listed] == [
        ("native", None),
        ("browser", "Firefox on Linux"),
    ]
    for session, row in zip(listed, rows, strict=True):
        assert (session["id"], session["address"]) == (str(row["id"]), "127.0.0.1")
        assert datetime.fromisoformat(session["created_at"]) == row["created_at"]
        assert datetime.fromisoformat(session["last_used_at"]) == row["refreshed_at"]

    output = commands.done("sessions", "list", f" {person.email.upper()}")

    used = [f"used {row['refreshed_at'].astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}" for row in rows]
    assert output.splitlines() == [
        f"{rows[0]['id']}\tnative\t{used[0]}\t127.0.0.1\t-",
        f"{rows[1]['id']}\tbrowser\t{used[1]}\t127.0.0.1\tFirefox on Linux",
    ]


async def test_one_session_is_ended_by_its_id(
    commands: Commands, client: httpx2.AsyncClient, person: Person
) -> None:
    lost, kept = [(await login(client, person)).json() for _ in range(2)]
    session_id = await id_of(client, lost["access_token"])
    # An earlier check of a token must not be cached.
    assert (await me(client, lost["access_token"])).status_code == 200
    assert commands.done("sessions", "revoke", session_id) == "1 session ended\n"
    problem_of(await me(client, lost["access_token"]), 401, "invalid_token")
    problem_of(await refresh(client, lost["refresh_token"]), 401, "session_revoked")
    assert (await refresh(client, kept["refresh_token"])).status_code == 200
    assert commands.done("sessions", "revoke", session_id) == "0 sessions ended\n"
    assert commands.done("sessions", "revoke", str(uuid4())) == "0 sessions ended\n"


async def test_all_sessions_of_one_account_are_ended_and_no_others(
    commands: Commands, client: httpx2.AsyncClient, person: Person, sql: Sql
) -> None:
    native, other = (await login(client, person)).json(), (await login(client, await new_person(sql))).json()
    cookie, access_token = await browser_login(client, person)
    output = commands.done("sessions", "revoke", "--account", f" {person.email.upper()}")
    assert output == "2 sessions ended\n"
    problem_of(await refresh(client, native["refresh_token"]), 401, "session_revoked")
    problem_of(await browser_refresh(client, cookie), 401, "session_revoked")
    for ended in (native["access_token"], access_token):
        problem_of(await me(client, ended), 401, "invalid_token")
    assert (await refresh(client, other["refresh_token"])).status_code == 200
    assert (await login(client, person)).status_code == 200


async def test_all_sessions_are_ended_and_old_rows_are_purged(apart: dict[str, str]) -> None:
    commands, sql = Commands(apart), await connect(apart["AUTH_DATABASE_URL"])
    for _ in range(3):
        await sql.execute(ACTIVE_SESSIONS, (await new_person(sql)).id, 400)
    for answer in ("", "n\n"):
        refused = app("sessions", "revoke", "--all", environment=apart, given=answer)
        assert (refused.returncode, refused.stdout.strip()) == (1, "")
        assert refused.stderr.startswith("Sign everyone out of every account? [y/N]:")
        assert refused.stderr.endswith("--yes answers the question in advance.\n")
    assert await sql.fetchval("SELECT count(*) FROM sessions WHERE revoked_at IS NOT NULL") == 0
    assert commands.done("sessions", "revoke", "--all", "--yes") == "1200 sessions ended\n"
    assert await sql.fetchval("SELECT count(*) FROM sessions WHERE revoked_at IS NULL") == 0
    entries = "SELECT count(*) FROM sessions AS s JOIN revocations AS r ON r.id = s.id::text"
    assert await sql.fetchval(entries) == 1200
    assert commands.done("purge") == "0 rows deleted\n"
    await sql.execute(
        """UPDATE sessions SET expires_at = now() - interval '25 hours'
           WHERE id IN (SELECT id FROM sessions LIMIT 1100)"""
    )
    assert commands.done("purge") == "1100 rows deleted\n"
    assert await sql.fetchval("SELECT count(*) FROM sessions") == 100
    await sql.execute(
        "UPDATE revocations SET expires_at = now() WHERE id = (SELECT id FROM revocations LIMIT 1)"
    )
    assert commands.done("purge") == "1 row deleted\n"
    await sql.close()


async def test_wrong_usage_has_status_2_and_ends_no_session(
    commands: Commands, client: httpx2.AsyncClient, person: Person, sql: Sql
) -> None:
    await login(client, person)
    before = await sessions_of(sql, person)
    (session_id,) = [str(row["id"]) for row in before]
    for arguments in (
        [],
        [session_id, "--account", person.email],
        [session_id, "--all"],
        ["--account", person.email, "--all"],
        [f"{session_id}x"],
    ):
        done = commands.run("sessions", "revoke", *arguments)
        assert (done.returncode, done.stdout) == (2, ""), arguments
        assert "Usage" in done.stderr
    assert await sessions_of(sql, person) == before


def test_an_unknown_address_is_reported_in_one_line(commands: Commands) -> None:
    email = f"{uuid4().hex}@example.com"
    for arguments in (["list", email], ["revoke", "--account", email]):
        done = commands.run("sessions", *arguments)
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.splitlines() == [f"no account has the address '{email}'"]
