"""The operator's commands on accounts, as scripts and people run them."""

import json
import subprocess
import sys
from uuid import uuid4

import httpx2
import pytest

from app.dev import Servers
from app.domain.clock import timestamp
from app.storage.postgres.accounts import PAGE
from tests.support.database import Sql, connect
from tests.support.people import PASSWORD, Person, login, me, new_person, refresh
from tests.support.servers import ROOT, app, database, migrate, process_environment


def peak_of(*arguments: str, environment: dict[str, str]) -> int:
    """The most memory that a command had, in bytes, as a process of its own."""
    code = (
        "import resource, subprocess, sys; subprocess.run([sys.executable, *sys.argv[1:]], check=True, "
        "stdout=subprocess.DEVNULL); print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "-m", "app", *arguments],
        cwd=ROOT,
        env=process_environment(environment),
        capture_output=True,
        text=True,
        check=True,
    )
    return int(done.stdout) * 1024


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
    assert json.loads(users.done("list", "--json", "--search", email)) == shown
    assert users.done("list", "--search", f" {email[:20].upper()}") == f"{email}\tenabled\tadmin,support\n"
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


async def test_accounts_are_listed_in_pages_by_the_bytes_of_their_addresses(users: Users, sql: Sql) -> None:
    name = f"page{uuid4().hex}"
    # A collation of words would put them in another order.
    emails = [f"{name}{rest}@example.com" for rest in ("-a", ".b", "_c", "a", "b+1", "zz", "\u00e9")]
    for email in reversed(emails):
        await sql.execute("INSERT INTO accounts (email, password_hash) VALUES ($1, '')", email)
    search = ("--search", name)
    whole = users.done("list", *search)
    assert [line.split("\t")[0] for line in whole.splitlines()] == emails
    listed, after = list[str](), ""
    for number in (3, 3, 1):
        done = users.run("list", *search, "--after", after, "--limit", "3", "--json")
        page = [json.loads(line)["email"] for line in done.stdout.splitlines()]
        assert len(page) == number
        listed, after = listed + page, page[-1]
        assert done.stderr == (f"there are more: add --after {after}\n" if number == 3 else "")
    assert listed == emails
    assert users.done("list", *search, "--limit", "7") == whole
    assert users.done("list", "--search", f"{name}nobody") == ""


async def test_a_list_reads_its_page_from_an_index_and_nothing_else(sql: Sql) -> None:
    async with sql.transaction():
        # With the few accounts of a test, reading and sorting all of them would cost less.
        for other in ("seqscan", "bitmapscan", "sort"):
            await sql.execute(f"SET LOCAL enable_{other} = off")
        plan = "\n".join(row[0] for row in await sql.fetch(f"EXPLAIN {PAGE}", "a", "b", 100))
    assert "accounts_email_prefix_idx" in plan
    assert "Index Cond" in plan
    assert "Sort Key" not in plan


@pytest.mark.slow
async def test_a_million_accounts_are_listed_in_the_memory_of_one_page(
    users: Users, environment: dict[str, str], sql: Sql, servers: Servers
) -> None:
    with database(servers.database_url, f"watchword_{uuid4().hex}") as url:
        migrate(environment | {"AUTH_DATABASE_URL": url})
        many = await connect(url)
        await many.execute(
            "INSERT INTO accounts (email, password_hash) "
            "SELECT 'u' || lpad(n::text, 8, '0') || '@example.com', '' FROM generate_series(1, 1000000) AS n",
            timeout=600,
        )
        await many.close()
        apart = environment | {"AUTH_DATABASE_URL": url}
        done = app("users", "list", "--json", "--limit", "2000000", environment=apart)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.count("\n") == 1_000_000
        found = app("users", "list", "--search", "u00999", "--limit", "5", environment=apart)
        assert found.stdout.splitlines()[0].startswith("u00999000@")
        # The command itself, without the lines that this test keeps.
        peak = peak_of("users", "list", "--limit", "2000000", environment=apart)
        assert peak - peak_of("users", "list", environment=apart) < 50_000_000
