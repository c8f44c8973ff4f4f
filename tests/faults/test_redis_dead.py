"""What a check costs: one look-up in Postgres for ``/me``, and for any check once Redis is gone."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import asyncpg
import pytest

from app.domain.sessions import ClientKind
from app.domain.visitors import Visitor
from app.services.owner.caller import WhoAmI
from app.services.revocations import Revocations
from app.storage.postgres.accounts import AccountStore
from app.storage.postgres.database import Database
from app.storage.postgres.revocations import RevocationStore
from app.wiring import Service
from tests.support.database import connect
from tests.support.people import PASSWORD, new_person
from tests.support.races import CHEAP_HASH, inside
from tests.support.servers import PrivateServers, migrate
from tests.support.valkeys import unasked


class Counting(Database):
    """Keeps the statements that are sent."""

    statements: list[str]

    async def rows(self, statement: str, *arguments: object) -> list[asyncpg.Record]:
        self.statements.append(statement)
        return await super().rows(statement, *arguments)


@pytest.fixture
async def service(private_servers: PrivateServers) -> AsyncIterator[Service]:
    migrate(private_servers.environment)
    async with inside(private_servers.environment) as service:
        await service.revocations.reindex()
        yield service


async def test_a_check_is_one_look_up_and_asks_redis_no_more(
    service: Service, private_servers: PrivateServers, monkeypatch: pytest.MonkeyPatch
) -> None:
    sql = await connect(private_servers.servers.database_url)
    person = await new_person(sql, password_hash=CHEAP_HASH)
    await sql.close()
    pair = await service.use_cases.login(person.email, PASSWORD, ClientKind.NATIVE, Visitor(None, None))
    token = pair.access_token.text
    # One database for everything that the check may ask.
    counting = Counting(service.database.pool)
    counting.statements = []
    authenticate = service.use_cases.who_am_i.authenticate
    index, last = authenticate.revocations.index, timedelta(minutes=16)
    revocations = Revocations(RevocationStore(counting), index, last)
    who_am_i = WhoAmI(AccountStore(counting, last), replace(authenticate, revocations=revocations))

    async def is_one_look_up() -> bool:
        counting.statements.clear()
        with unasked(index):
            assert (await who_am_i(token)).account.id == person.id
        return len(counting.statements) == 1

    before = index.is_trusted
    assert await is_one_look_up()
    private_servers.valkey.pause()
    # The first check that asks Redis finds out.
    await who_am_i.authenticate(token)
    assert (before, index.is_trusted) == (True, False)
    for _ in range(20):
        assert await is_one_look_up()
        counting.statements.clear()
        with unasked(index):
            await who_am_i.authenticate(token)
        assert len(counting.statements) == 1
    private_servers.valkey.resume()
