"""The operator's commands on events, as scripts and people run them."""

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID, uuid4

import pytest
from typer.testing import CliRunner, Result

import app.cli.events
import app.logs
from app.cli.commands import cli
from app.cli.events import moment
from app.domain.refusals import Refused
from tests.support.database import Sql, connect
from tests.support.people import Person, new_person
from tests.support.servers import ROOT, process_environment

_T = TypeVar("_T")
FIELDS = [
    "id",
    "at",
    "kind",
    "actor",
    "actor_id",
    "reason",
    "account_id",
    "session_id",
    "address",
    "request_id",
    "details",
]
ADD = """
INSERT INTO events (at, kind, actor, reason, account_id, session_id, address, request_id, details)
VALUES (now() - $3::interval, $1, 'operator', 'revoked', $2, $2, '192.0.2.1', 'r-1', $4)
"""
HOSTILE = "\x1b[2J\r\n\u202e\x9b"

Commands = Callable[..., Result]


@pytest.fixture
def commands(migrated: object, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Commands:
    """Runs `python -m app events ...` in this process, without a change of its log."""
    monkeypatch.setattr(app.logs, "configure_logs", lambda *_: None)
    return lambda *arguments: CliRunner().invoke(cli, ["events", *arguments], env=environment)


@pytest.fixture
def account_id(environment: dict[str, str]) -> UUID:
    """A deleted account with three events, the newest of them an hour ago."""
    account_id = uuid4()

    async def fill(sql: Sql) -> None:
        for kind, ago in (("login.failed", 3), ("login.succeeded", 2), ("session.ended", 1)):
            details = json.dumps({"ended": 3} if kind == "session.ended" else {})
            await sql.execute(ADD, kind, account_id, timedelta(hours=ago), details)

    query(environment, fill)
    return account_id


def query(environment: dict[str, str], statements: Callable[[Sql], Awaitable[_T]]) -> _T:
    """Run statements in an event loop of their own, because each command starts a new one."""

    async def connected() -> _T:
        connection = await connect(environment["AUTH_DATABASE_URL"])
        try:
            return await statements(connection)
        finally:
            await connection.close()

    return asyncio.run(connected())


def kinds(result: Result) -> list[str]:
    assert (result.exit_code, result.stderr) == (0, ""), result.output
    return [event["kind"] for event in json.loads(result.stdout)]


def test_events_are_listed_for_people_and_for_programs(commands: Commands, account_id: UUID) -> None:
    listed = commands("list", "--account", str(account_id), "--json")
    assert kinds(listed) == ["login.failed", "login.succeeded", "session.ended"]
    events = json.loads(listed.stdout)
    assert [list(event) for event in events] == [FIELDS] * 3
    assert (events[2]["account_id"], events[2]["session_id"]) == (str(account_id),) * 2
    assert (events[2]["address"], events[2]["request_id"]) == ("192.0.2.1", "r-1")
    assert events[2]["details"] == {"ended": 3}
    assert (events[2]["actor"], events[2]["actor_id"], events[2]["reason"]) == ("operator", None, "revoked")

    lines = commands("list", "--account", str(account_id), "--limit", "2")
    at = [f"{datetime.fromisoformat(event['at']):%Y-%m-%dT%H:%M:%SZ}" for event in events]
    actor = "actor=operator\treason=revoked"
    named = f"{actor}\taccount={account_id}\tsession={account_id}\taddress=192.0.2.1\trequest=r-1"
    assert lines.stdout.splitlines() == [
        f"{at[1]}\tlogin.succeeded\t{named}",
        f"{at[2]}\tsession.ended\t{named}\tended=3",
    ]


def test_events_are_selected_by_account_kind_and_time(
    commands: Commands, environment: dict[str, str], account_id: UUID
) -> None:
    def found(*arguments: str) -> list[str]:
        return kinds(commands("list", "--account", str(account_id), "--json", *arguments))

    assert found("--kind", "login.failed", "--kind", "session.ended") == ["login.failed", "session.ended"]
    assert found("--since", "PT2H30M") == ["login.succeeded", "session.ended"]
    assert found("--since", "9000", "--until", "PT1H30M") == ["login.succeeded"]
    before = datetime.now(UTC) - timedelta(hours=1, minutes=30)
    assert found("--until", before.isoformat()) == ["login.failed", "login.succeeded"]
    assert found("--since", f"{before:%Y-%m-%dT%H:%M:%S}") == ["session.ended"]

    async def fail_login(sql: Sql) -> Person:
        person = await new_person(sql)
        await sql.execute(ADD, "login.failed", person.id, timedelta(0), "{}")
        return person

    person = query(environment, fail_login)
    assert kinds(commands("list", "--account", f" {person.email.upper()}", "--json")) == ["login.failed"]
    unknown = commands("list", "--account", "nobody@example.com").exception
    assert isinstance(unknown, Refused)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("--kind", "login.exploded"), "session.reuse_detected"),
        (("--since", "yesterday"), "2026-01-31T12:00:00Z"),
        (("--until", "P999999999D"), "PT1H"),
        (("--limit", "0"), "--limit"),
    ],
)
@pytest.mark.parametrize("command", ["list", "tail"])
def test_an_unknown_kind_or_time_is_wrong_usage(
    commands: Commands, command: str, arguments: tuple[str, ...], named: str
) -> None:
    done = commands(command, *arguments)
    assert (done.exit_code, done.stdout) == (2, "")
    assert named in re.sub(r"[\s│]+", "", done.stderr) + done.stderr


def test_a_time_without_an_offset_is_utc() -> None:
    assert moment("2026-01-31T12:00:00") == moment("2026-01-31T13:00+01:00") == moment("20260131T120000Z")
    assert moment("2026-01-31").tzinfo is UTC


def test_control_characters_in_events_do_not_reach_the_terminal(
    commands: Commands, environment: dict[str, str]
) -> None:
    account_id = uuid4()

    async def plant(sql: Sql) -> None:
        await sql.execute(ADD, f"x{HOSTILE}", account_id, timedelta(0), json.dumps({HOSTILE: HOSTILE}))

    query(environment, plant)
    for arguments in ((), ("--json",)):
        output = commands("list", "--account", str(account_id), *arguments).stdout
        assert all(letter.isprintable() or letter in "\t\n" for letter in output)
    assert len(commands("list", "--account", str(account_id)).stdout.splitlines()) == 1


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 0)])
def test_a_tail_prints_new_events_and_a_signal_ends_it_without_an_error(
    commands: Commands,
    environment: dict[str, str],
    account_id: UUID,
    monkeypatch: pytest.MonkeyPatch,
    number: signal.Signals,
    status: int,
) -> None:
    pauses = 0

    async def pause() -> None:
        nonlocal pauses
        pauses += 1
        if pauses == 1:
            sql = await connect(environment["AUTH_DATABASE_URL"])
            await sql.execute(ADD, "password.changed", account_id, timedelta(0), "{}")
            await sql.close()
            return
        os.kill(os.getpid(), number)
        await asyncio.Event().wait()

    monkeypatch.setattr(app.cli.events, "pause", pause)
    done = commands("tail", "--account", str(account_id), "--json")
    assert (done.exit_code, done.stderr, pauses) == (status, "", 2)
    printed: list[dict[str, Any]] = [json.loads(line) for line in done.stdout.splitlines()]
    assert [event["kind"] for event in printed] == [
        *("login.failed", "login.succeeded", "session.ended"),
        "password.changed",
    ]
    assert list(printed[0]) == FIELDS


def test_a_tail_in_a_pipe_writes_each_line_at_once_and_ends_with_ctrl_c(
    environment: dict[str, str], account_id: UUID, migrated: object
) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "app", "events", "tail", "--account", str(account_id)],
        cwd=ROOT,
        env=process_environment(environment),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as tail:
        assert tail.stdout is not None
        assert tail.stderr is not None
        assert [tail.stdout.readline().split("\t")[1] for _ in range(3)] == [
            *("login.failed", "login.succeeded"),
            "session.ended",
        ]
        tail.send_signal(signal.SIGINT)
        assert (tail.wait(120), tail.stderr.read(), tail.stdout.read()) == (130, "", "")
