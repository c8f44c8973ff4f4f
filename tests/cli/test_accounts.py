"""The operator's commands on accounts, as scripts and people run them."""

import json
import subprocess
from uuid import uuid4

import httpx2
import pytest

from app.domain.clock import timestamp
from tests.support.database import Sql
from tests.support.people import PASSWORD, Person, login, me, new_person, refresh
from tests.support.servers import app

OTHER_PASSWORD = "another battery horse staple"


class Users:
    """Runs `python -m app users ...` on this worker's servers."""

    def __init__(self, environment: dict[str, str]) -> None:
        self._environment = environment

    def run(self, *arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
        done = app("users", *arguments, environment=self._environment, given=given)
        assert PASSWORD not in done.stdout + done.stderr
        return done

    def done(self, *arguments: str, given: str = "") -> str:
        """The output of a command that must succeed, with an empty stderr."""
        done = self.run(*arguments, given=given)
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout

    def refused(self, *arguments: str, given: str = "") -> str:
        """The one line on stderr of a command that must be refused."""
        done = self.run(*arguments, given=given)
        assert (done.returncode, done.stdout) == (1, "")
        (line,) = done.stderr.splitlines()
        return line


@pytest.fixture
def users(migrated: object, environment: dict[str, str]) -> Users:
    return Users(environment)


async def test_an_account_is_created_shown_listed_and_signs_in(
    users: Users, client: httpx2.AsyncClient, sql: Sql
) -> None:
    email = f"{uuid4().hex}@example.com"
    output = users.done(
        *("create", email, "--role", "support", "--role", "admin", "--role", "admin", "--password-stdin"),
        given=f"{PASSWORD}\n",
    )
    row = await sql.fetchrow("SELECT * FROM accounts WHERE email = $1", email)
    assert row is not None
    assert output == f"{email} created, id {row['id']}\n"
    assert row["password_hash"].startswith("$argon2id$v=19$m=19456,t=2,p=1$")

    shown = json.loads(users.done("show", email, "--json"))
    assert shown == {
        "id": str(row["id"]),
        "email": email,
        "enabled": True,
        "roles": ["admin", "support"],
        "created_at": timestamp(row["created_at"]),
    }
    assert [account for account in json.loads(users.done("list", "--json")) if account["email"] == email] == [
        shown
    ]
    assert f"{email}\tenabled\tadmin,support\n" in users.done("list")
    assert "roles: admin, support\n" in users.done("show", email)
    assert (await login(client, Person(row["id"], email))).status_code == 200


async def test_every_spelling_of_an_address_is_the_same_account(
    users: Users, client: httpx2.AsyncClient, sql: Sql
) -> None:
    name = uuid4().hex
    stored = f"zoë.{name}@xn--exmple-cua.com"
    # With blanks and capitals, with combining accents, and with full-width letters.
    spellings = [
        f" ZOË.{name.upper()}@Exämple.COM ",
        f"zoe\u0308.{name}@exa\u0308mple.com",
        f"\uff3aoë.{name}\uff20exämple\uff0ecom\u200b",
        stored,
    ]
    users.done("create", spellings[0], "--password-stdin", given=f"{PASSWORD}\n")
    for spelling in spellings:
        assert (await login(client, Person(uuid4(), spelling))).status_code == 200
    assert json.loads(users.done("show", spellings[1], "--json"))["email"] == stored
    taken = users.refused("create", spellings[2], "--password-stdin", given=f"{PASSWORD}\n")
    assert taken == f"the account {stored} already exists"
    assert users.done("disable", spellings[1]).strip().endswith("disabled; 4 sessions ended")
    assert await sql.fetchval("SELECT enabled FROM accounts WHERE email = $1", stored) is False
    assert users.done("delete", "--yes", spellings[2]).strip().endswith("deleted; 0 sessions ended")
    assert stored in users.refused("show", stored)


async def test_a_weak_password_is_refused_with_advice(users: Users, sql: Sql, person: Person) -> None:
    email = f"{uuid4().hex}@example.com"
    # The length is counted in characters after NFKC, not in bytes.
    refused = users.refused("create", email, "--password-stdin", given="he\u0301" * 7 + "\n")
    assert refused == "Make the password longer by 1: it needs at least 15 characters."
    assert await sql.fetchval("SELECT count(*) FROM accounts WHERE email = $1", email) == 0
    refused = users.refused("set-password", person.email, "--password-stdin", given=f"{person.email}\n")
    assert refused == "Use words that have nothing to do with the e-mail address or with this service."
    assert await sql.fetchval("SELECT password_version FROM accounts WHERE id = $1", person.id) == 1


async def test_a_malformed_address_or_role_is_refused(users: Users, sql: Sql, person: Person) -> None:
    accounts = await sql.fetchval("SELECT count(*) FROM accounts")
    given = f"{PASSWORD}\n"
    refused = users.refused("create", "two@words @example.com", "--password-stdin", given=given)
    assert "not an e-mail address" in refused
    refused = users.refused("create", "new@example.com", "--role", "Admin", "--password-stdin", given=given)
    assert "not a role" in refused
    assert "not a role" in users.refused("roles", person.email, "fine", "not fine")
    assert await sql.fetchval("SELECT count(*) FROM accounts") == accounts
    assert await sql.fetchval("SELECT roles FROM accounts WHERE id = $1", person.id) == []


def test_an_unknown_address_is_reported_in_one_line(users: Users) -> None:
    email = f"{uuid4().hex}@example.com"
    for command in (["show"], ["disable"], ["enable"], ["delete", "--yes"], ["roles"]):
        assert users.refused(*command, email) == f"no account has the address '{email}'"
    refused = users.refused("set-password", email, "--password-stdin", given=f"{PASSWORD}\n")
    assert refused == f"no account has the address '{email}'"


def test_wrong_usage_has_status_2_and_a_password_is_not_an_argument(users: Users, person: Person) -> None:
    for arguments in (
        ["create"],
        ["create", "new@example.com", "--password", OTHER_PASSWORD],
        ["set-password", person.email, OTHER_PASSWORD],
        ["list", "--yaml"],
    ):
        done = users.run(*arguments)
        assert (done.returncode, done.stdout) == (2, ""), arguments
        assert "Usage" in done.stderr


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (["disable", "{}"], "session_revoked"),
        (["delete", "{}", "--yes"], "refresh_token_invalid"),
        (["set-password", "{}", "--password-stdin"], "session_revoked"),
        (["roles", "{}", "support", "auditor"], "session_revoked"),
        (["roles", "{}"], "session_revoked"),
    ],
)
async def test_a_removed_permission_ends_the_sessions_of_the_account_at_once(
    users: Users, client: httpx2.AsyncClient, sql: Sql, command: list[str], code: str
) -> None:
    account, other_account = await new_person(sql, "admin", "support"), await new_person(sql, "admin")
    first, second = [(await login(client, account)).json() for _ in range(2)]
    other = (await login(client, other_account)).json()
    renewed = (await refresh(client, second["refresh_token"])).json()
    # An earlier check of a token must not be cached.
    for token in (first["access_token"], renewed["access_token"]):
        assert (await me(client, token)).status_code == 200

    arguments = [part.format(account.email) for part in command]
    assert "2 sessions ended" in users.done(*arguments, given=f"{OTHER_PASSWORD}\n")

    for token in (first["access_token"], second["access_token"], renewed["access_token"]):
        refused = await me(client, token)
        assert (refused.status_code, refused.json()["code"]) == (401, "invalid_token")
    for token in (first["refresh_token"], renewed["refresh_token"]):
        refused = await refresh(client, token)
        assert (refused.status_code, refused.json()["code"]) == (401, code)
    assert (await me(client, other["access_token"])).status_code == 200
    assert (await refresh(client, other["refresh_token"])).status_code == 200


async def test_an_account_can_sign_in_again_after_it_is_enabled(
    users: Users, client: httpx2.AsyncClient, person: Person
) -> None:
    assert users.done("disable", person.email) == f"{person.email} disabled; 0 sessions ended\n"
    refused = await login(client, person)
    assert (refused.status_code, refused.json()["code"]) == (401, "account_disabled")
    # Without the password, the answer does not reveal that the account is disabled.
    guessed = await login(client, person, password=OTHER_PASSWORD)
    assert guessed.json()["code"] == "invalid_credentials"
    assert json.loads(users.done("show", person.email, "--json"))["enabled"] is False
    assert users.done("enable", person.email) == f"{person.email} enabled\n"
    assert (await login(client, person)).status_code == 200


@pytest.mark.parametrize("mark", ["", "\ufeff"], ids=["bare", "behind a byte order mark"])
async def test_a_new_password_replaces_the_old_one(
    users: Users, client: httpx2.AsyncClient, person: Person, mark: str
) -> None:
    opened = (await login(client, person)).json()
    given = f"{mark}{OTHER_PASSWORD}\r\n"
    output = users.done("set-password", person.email, "--password-stdin", given=given)
    assert output == f"{person.email} changed; 1 session ended\n"
    assert (await me(client, opened["access_token"])).status_code == 401
    assert (await login(client, person)).json()["code"] == "invalid_credentials"
    assert (await login(client, person, password=OTHER_PASSWORD)).status_code == 200


async def test_an_added_role_ends_no_session_and_is_visible_at_once(
    users: Users, client: httpx2.AsyncClient, person: Person
) -> None:
    opened = (await login(client, person)).json()
    output = users.done("roles", person.email, "support", "admin")
    assert output == f"{person.email} changed; 0 sessions ended\n"
    assert (await me(client, opened["access_token"])).json()["roles"] == ["admin", "support"]
    assert (await refresh(client, opened["refresh_token"])).status_code == 200
