"""Addresses that were written into the table by hand: rewritten by the migration, and refused afterwards."""

import asyncio
import re
from uuid import UUID, uuid4

import asyncpg
import httpx2
import pytest
from alembic import command

from app.storage.postgres.migrations import alembic_config
from tests.support.database import Sql, connect
from tests.support.people import PASSWORD, PASSWORD_HASH, Person, login
from tests.support.servers import app

INSERT = "INSERT INTO accounts (id, email, password_hash) VALUES ($1, $2, 'hash')"
# As it is before, and as it is afterwards: in the spelling that the previous release finds too.
REWRITTEN = {
    "Joan.Doe@Example.com": "joan.doe@example.com",
    " ada@example.com\n": "ada@example.com",
    "\uff42ob@example.com\u200b": "bob@example.com",
    "ZOE\u0308@M\u00dcNCHEN.example": "zo\u00eb@m\u00fcnchen.example",
    "anna@m\u00fcnchen.example": "anna@m\u00fcnchen.example",
    "plain@example.com": "plain@example.com",
    "zo\u00eb@example.com": "zo\u00eb@example.com",
    "x@xn--mnchen-3ya.example": "x@xn--mnchen-3ya.example",
}
COLLIDING = [
    ["Twin@example.com", "twin@example.com"],
    ["TRIPLE@example.com", "Triple@example.com", "tripLE@example.com"],
    ["eve@m\u00fcnchen.example", "eve@xn--mnchen-3ya.example"],
]
INVALID = ["nobody", "a\u200bda@example.com", "l" * 65 + "@example.com"]
REFUSED = [
    "Joan.Doe@Example.com",
    "joan@EXAMPLE.com",
    " joan@example.com",
    "joan@example.com\n",
    "jo an@example.com",
    "joan",
    "@example.com",
    "joan@home@example.com",
    "\uff42ob@example.com",
    "zoe\u0308@example.com",
    "joan@example.com\u200b",
    "jo\u00adan@example.com",
    "joan\u00a0@example.com",
]


def migrate(url: str) -> str:
    """Migrate, and return what is said on standard error."""
    done = app("migrate", environment={"AUTH_DATABASE_URL": url})
    assert done.returncode == 0, done.stderr
    return done.stderr


async def addresses(sql: Sql) -> dict[UUID, str]:
    return {row["id"]: row["email"] for row in await sql.fetch("SELECT id, email FROM accounts")}


async def test_addresses_are_rewritten_and_collisions_are_reported_by_id_and_left(
    empty_database: str,
) -> None:
    await asyncio.to_thread(command.upgrade, alembic_config(empty_database), "0003")
    sql = await connect(empty_database)
    written = [*REWRITTEN, *(email for group in COLLIDING for email in group), *INVALID]
    ids = {email: uuid4() for email in written}
    await sql.executemany(INSERT, [(account, email) for email, account in ids.items()])

    said = await asyncio.to_thread(migrate, empty_database)

    expected = {ids[email]: REWRITTEN.get(email, email) for email in written}
    assert await addresses(sql) == expected
    reported = [
        set(re.findall(r"[0-9a-f]{8}-[0-9a-f-]{27}", line))
        for line in said.splitlines()
        if "account.address" in line
    ]
    groups = [{str(ids[email]) for email in group} for group in [*COLLIDING, *([email] for email in INVALID)]]
    assert sorted(map(sorted, reported)) == sorted(map(sorted, groups))
    assert "@" not in said
    # An account of a collision is changed and deleted like any other.
    for email in (COLLIDING[0][0], INVALID[0]):
        await sql.execute("UPDATE accounts SET enabled = false WHERE id = $1", ids[email])
    await sql.close()


@pytest.mark.requirement("P7")
@pytest.mark.parametrize("email", REFUSED)
async def test_the_table_refuses_an_address_in_another_spelling(sql: Sql, email: str) -> None:
    with pytest.raises(asyncpg.CheckViolationError, match="one spelling"):
        await sql.execute(INSERT, uuid4(), email)
    account = await sql.fetchval(
        "INSERT INTO accounts (email, password_hash) VALUES ($1, 'hash') RETURNING id",
        f"{uuid4().hex}@example.com",
    )
    with pytest.raises(asyncpg.CheckViolationError):
        await sql.execute("UPDATE accounts SET email = $2 WHERE id = $1", account, email)


async def test_what_the_previous_release_stores_is_accepted_found_and_never_made_twice(
    sql: Sql, client: httpx2.AsyncClient, environment: dict[str, str]
) -> None:
    name = uuid4().hex
    stored = f"{name}@m\u00fcnchen.example"
    await sql.execute("INSERT INTO accounts (email, password_hash) VALUES ($1, $2)", stored, PASSWORD_HASH)
    for spelling in (stored, f"{name}@xn--mnchen-3ya.example", stored.upper()):
        assert (await login(client, Person(uuid4(), spelling))).status_code == 200
        done = app(
            "users", "create", spelling, "--password-stdin", environment=environment, given=f"{PASSWORD} 42\n"
        )
        assert (done.returncode, done.stdout) == (1, "")
        assert "already exists" in done.stderr


async def test_of_two_accounts_with_one_address_the_one_in_ascii_signs_in(
    sql: Sql, client: httpx2.AsyncClient, environment: dict[str, str]
) -> None:
    name = uuid4().hex
    old, new = f"{name}@m\u00fcnchen.example", f"{name}@xn--mnchen-3ya.example"
    for email in (old, new):
        await sql.execute("INSERT INTO accounts (email, password_hash) VALUES ($1, $2)", email, PASSWORD_HASH)
    opened = (await login(client, Person(uuid4(), old))).json()
    me = await client.get("/me", headers={"Authorization": f"Bearer {opened['access_token']}"})
    assert me.json()["email"] == new
    # The other one is reached by its id.
    account = str(await sql.fetchval("SELECT id FROM accounts WHERE email = $1", old))
    shown = app("users", "show", account, environment=environment)
    assert f"email: {old}\n" in shown.stdout
    assert app("users", "delete", account, "--yes", environment=environment).returncode == 0
    assert await sql.fetchval("SELECT count(*) FROM accounts WHERE email = $1", old) == 0
