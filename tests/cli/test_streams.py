"""The streams of the commands: answers on stdout, prompts and logs on stderr, passwords on neither."""

import json
import os
import pty
import select
import subprocess
import sys
import termios
from contextlib import closing
from pathlib import Path
from uuid import uuid4

import httpx2

from tests.support.database import Sql
from tests.support.people import PASSWORD, Person, login
from tests.support.processes import PATIENCE
from tests.support.servers import ROOT, app, process_environment
from tests.support.waiting import eventually


class Terminal:
    """`python -m app` in a terminal of its own, with its output and with input typed without echo."""

    def __init__(self, environment: dict[str, str], *arguments: str) -> None:
        self._keyboard, screen = pty.openpty()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "app", *arguments],
            cwd=ROOT,
            env=process_environment(environment),
            stdin=screen,
            stdout=screen,
            stderr=screen,
            start_new_session=True,
        )
        os.close(screen)
        self.output = ""

    def answer(self, prompt: str, text: str) -> None:
        """Type a line after the prompt has appeared and the echo is off."""
        seen = len(self.output)

        def is_asked() -> bool:
            self._read(0)
            return prompt in self.output[seen:] and not self._echoes()

        eventually(is_asked, lambda: self.output)
        os.write(self._keyboard, f"{text}\n".encode())

    def finish(self) -> int:
        """Wait for the end and return the exit status. The output is kept."""
        while self._read(PATIENCE):
            pass
        return self.process.wait(PATIENCE)

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._keyboard)

    def _echoes(self) -> bool:
        return bool(termios.tcgetattr(self._keyboard)[3] & termios.ECHO)

    def _read(self, seconds: float) -> bool:
        if select.select([self._keyboard], [], [], seconds)[0]:
            try:
                self.output += os.read(self._keyboard, 4096).decode()
            except OSError:  # Linux raises it when the other end is closed.
                return False
            return True
        return False


async def test_a_password_is_prompted_twice_without_echo_and_again_after_a_mismatch(
    migrated: object, environment: dict[str, str], client: httpx2.AsyncClient, sql: Sql
) -> None:
    email = f"{uuid4().hex}@example.com"
    with closing(Terminal(environment, "users", "create", email)) as terminal:
        terminal.answer("Password", PASSWORD)
        terminal.answer("Repeat", f"{PASSWORD}x")
        # A mismatch creates no account, and the prompt appears again.
        terminal.answer("Password", PASSWORD)
        assert "do not match" in terminal.output
        assert await sql.fetchval("SELECT count(*) FROM accounts WHERE email = $1", email) == 0
        terminal.answer("Repeat", PASSWORD)
        assert terminal.finish() == 0
        assert f"{email} created" in terminal.output
        assert PASSWORD not in terminal.output
    account = await sql.fetchval("SELECT id FROM accounts WHERE email = $1", email)
    assert (await login(client, Person(account, email))).status_code == 200


async def test_an_unconfirmed_command_changes_nothing(
    migrated: object, environment: dict[str, str], sql: Sql, person: Person
) -> None:
    email = f"{uuid4().hex}@example.com"
    for arguments, given in [
        (["create", email], f"{PASSWORD}\n{PASSWORD}x\n"),
        (["set-password", person.email], f"{PASSWORD}\n"),
        (["delete", person.email], "n\n"),
        (["delete", person.email], ""),
    ]:
        assert app("users", *arguments, environment=environment, given=given).returncode == 1, arguments
    assert await sql.fetchval("SELECT count(*) FROM accounts WHERE email = $1", email) == 0
    assert await sql.fetchval("SELECT password_version FROM accounts WHERE id = $1", person.id) == 1

    assert app("users", "delete", person.email, environment=environment, given="y\n").returncode == 0
    assert await sql.fetchval("SELECT count(*) FROM accounts WHERE id = $1", person.id) == 0


async def test_prompts_are_not_written_to_stdout(
    migrated: object, environment: dict[str, str], person: Person
) -> None:
    changed = app(
        "users", "set-password", person.email, environment=environment, given=f"{PASSWORD}\n{PASSWORD}\n"
    )
    assert changed.stdout == f"{person.email} changed; 0 sessions ended\n"
    deleted = app("users", "delete", person.email, environment=environment, given="y\n")
    # The confirmation prompt leaves a space.
    assert deleted.stdout.strip() == f"{person.email} deleted; 0 sessions ended"
    assert person.email in deleted.stderr


async def test_logs_go_to_stderr_and_commands_work_without_redis(
    migrated: object, environment: dict[str, str], client: httpx2.AsyncClient, person: Person, tmp_path: Path
) -> None:
    assert (await login(client, person)).status_code == 200
    without_redis = environment | {"AUTH_REDIS_URL": f"unix://{tmp_path}/nothing.sock"}
    done = app("users", "disable", person.email, environment=without_redis)
    assert (done.returncode, done.stdout) == (0, f"{person.email} disabled; 1 session ended\n")
    assert json.loads(done.stderr)["event"] == "revocations.not_indexed"
    shown = app("users", "show", person.email, "--json", environment=without_redis)
    assert json.loads(shown.stdout)["enabled"] is False


def test_an_unreachable_postgres_is_reported_in_one_line(environment: dict[str, str]) -> None:
    unreachable = environment | {"AUTH_DATABASE_URL": "postgresql://watchword:hunter2@127.0.0.1:1/watchword"}
    done = app("users", "list", "--json", environment=unreachable)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.count("\n") == 1
    assert "AUTH_DATABASE_URL" in done.stderr
    assert "hunter2" not in done.stderr
