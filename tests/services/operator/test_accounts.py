"""An operator's changes to accounts."""

import asyncio
from collections.abc import Awaitable
from uuid import uuid4

import pytest
from asyncpg import CheckViolationError

from app.domain.refusals import Refused
from app.domain.sessions import ClientKind
from app.domain.visitors import Visitor
from app.services.operator.accounts import Accounts
from app.wiring import Service
from tests.support.database import Sql, connect
from tests.support.people import PASSWORD
from tests.support.races import inside, waiting
from tests.support.servers import migrate

NEW_PASSWORD = "another battery horse staple"


@pytest.fixture
def accounts(parts: Service) -> Accounts:
    return parts.accounts


@pytest.fixture
async def email(accounts: Accounts) -> str:
    """Of an account with one role."""
    address = f"{uuid4().hex}@example.com"
    created = await accounts.create(f" {address.upper()} ", PASSWORD, ["editor", "editor"])
    assert (created.email, created.roles, created.enabled) == (address, ("editor",), True)
    return address


async def refusal(command: Awaitable[object]) -> str:
    with pytest.raises(Refused) as refused:
        await command
    return refused.value.sentence


async def sign_in(parts: Service, email: str, password: str = PASSWORD) -> None:
    await parts.use_cases.login(email, password, ClientKind.NATIVE, Visitor(None, None))


async def test_an_account_is_listed_and_found_by_any_spelling_of_its_address(
    accounts: Accounts, email: str
) -> None:
    found = await accounts.find(f"  {email.title()}")
    assert found in [account async for account in accounts.by_address("", "", 1_000_000)]
    assert found.email == email


INVALID_DOMAINS = (
    f"label@{'a' * 64}.example",
    f"label@example.{'a' * 64}",
    "label@example.-a",
    f"all@{'.'.join(['a' * 63] * 4)}",
)


async def test_accounts_that_no_address_leads_to_are_found(
    empty_database: str, environment: dict[str, str]
) -> None:
    apart = environment | {"AUTH_DATABASE_URL": empty_database}
    migrate(apart)
    sql = await connect(empty_database)
    # Rows of before the trigger.
    await sql.execute("ALTER TABLE accounts DISABLE TRIGGER ALL")
    ids = {}
    for email in (
        *("plain@example.com", "alone@m\u00fcnchen.example", "twin@m\u00fcnchen.example"),
        *(
            "twin@xn--mnchen-3ya.example",
            "Joan@example.com",
            "nobody",
            "double@example.com",
            "Double@example.com",
        ),
        *(f"label@{'a' * 63}.example", *INVALID_DOMAINS),
    ):
        ids[email] = await sql.fetchval(
            "INSERT INTO accounts (email, password_hash) VALUES ($1, '') RETURNING id", email
        )
    async with inside(apart) as parts:
        lost = {
            "twin@m\u00fcnchen.example",
            "Joan@example.com",
            "nobody",
            "Double@example.com",
            *INVALID_DOMAINS,
        }
        assert set(await parts.accounts.unreachable()) == {ids[email] for email in lost}
        assert await parts.accounts.unreachable(at_most=0) == []
        # The page after such an account leaves out none: the order is that of bytes.
        following = [
            account.email async for account in parts.accounts.by_address("", "Double@example.com", 99)
        ]
        assert following == sorted(email for email in ids if email > "Double@example.com")
    await sql.close()


async def test_invalid_accounts_are_refused_with_one_sentence(accounts: Accounts, email: str) -> None:
    free = f"{uuid4().hex}@example.com"
    assert await refusal(accounts.create(email, PASSWORD, [])) == f"the account {email} already exists"
    assert await refusal(accounts.create("nobody", PASSWORD, [])) == "not an e-mail address: 'nobody'"
    assert (await refusal(accounts.create(free, PASSWORD, ["Two Words"]))).startswith("not a role")
    assert "needs at least 15 characters" in await refusal(accounts.create(free, "too short", []))
    for unknown in (free, "nobody"):
        assert await refusal(accounts.find(unknown)) == f"no account has the address {unknown!r}"


async def test_an_address_that_another_command_is_just_taking_is_refused(
    accounts: Accounts, sql: Sql
) -> None:
    taken = f"{uuid4().hex}@example.com"
    transaction = sql.transaction()
    await transaction.start()
    await sql.execute("INSERT INTO accounts (email, password_hash) VALUES ($1, '')", taken)
    creating = asyncio.create_task(refusal(accounts.create(taken, PASSWORD, [])))
    await waiting(sql, 1, unless=creating)
    await transaction.commit()
    assert await creating == f"the account {taken} already exists"


@pytest.mark.requirement("T9")
async def test_roles_fit_into_the_tokens_that_the_service_reads(
    parts: Service, accounts: Accounts, email: str, sql: Sql
) -> None:
    many = [f"tenant-{number:04}:project-administrator" for number in range(154)]
    fitting, too_many = many[:113], many[:114]
    refused = "the roles take 4105 bytes, and access tokens have room for 4096"
    free = f"{uuid4().hex}@example.com"
    assert await refusal(accounts.create(free, PASSWORD, too_many)) == refused
    assert await refusal(accounts.set_roles(email, too_many)) == refused
    # What SQL writes is refused by the table.
    change = "UPDATE accounts SET roles = $2 WHERE email = $1"
    with pytest.raises(CheckViolationError, match="accounts_roles_check"):
        await sql.execute(change, email, too_many)
    assert (await accounts.find(email)).roles == ("editor",)
    await accounts.set_roles(email, fitting)
    login = parts.use_cases.login
    pair = await login(email, PASSWORD, ClientKind.NATIVE, Visitor(None, None))
    caller = await parts.use_cases.who_am_i(pair.access_token.text)
    assert caller.account.roles == tuple(fitting)


async def test_only_changes_that_take_access_away_end_sessions(
    parts: Service, accounts: Accounts, email: str
) -> None:
    await sign_in(parts, email)
    assert await accounts.set_roles(email, ["editor", "reviewer"]) == 0
    assert await accounts.set_roles(email, ["reviewer"]) == 1

    await sign_in(parts, email)
    assert await accounts.set_password(email, NEW_PASSWORD) == 1

    await sign_in(parts, email, NEW_PASSWORD)
    assert await accounts.disable(email) == 1
    assert (await accounts.find(email)).enabled is False
    await accounts.enable(email)
    assert (await accounts.find(email)).enabled is True

    await sign_in(parts, email, NEW_PASSWORD)
    assert await accounts.delete(email) == 1
    assert await refusal(accounts.delete(email)) == f"no account has the address {email!r}"
