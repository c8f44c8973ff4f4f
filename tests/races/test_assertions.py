"""One assertion, used by many at once: it works once."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import httpx2
import pytest

from app.dev import Servers
from app.features.clients.crypto import digest
from app.wiring.manage_clients import manage_clients
from tests.support.clients import GRANT, asserting, new_client, new_signer, oauth_error
from tests.support.database import Sql
from tests.support.races import inside
from tests.support.servers import Service
from tests.support.waiting import client_of

pytestmark = pytest.mark.requirement("S3")


@pytest.fixture
async def replicas(
    migrated: Servers, environment: dict[str, str], service: Service, tmp_path: Path
) -> AsyncIterator[list[httpx2.AsyncClient]]:
    """Two replicas on one database, each with connections of its own."""
    with Service(environment, tmp_path) as other:
        async with AsyncExitStack() as stack:
            yield [await stack.enter_async_context(client_of(one)) for one in (service, other)]


async def test_fifty_parallel_uses_of_one_assertion_over_two_replicas_give_one_token(
    replicas: list[httpx2.AsyncClient], sql: Sql
) -> None:
    key = new_signer()
    client = await new_client(sql, "a", keys=(key.jwk,))
    for _ in range(5):
        form = GRANT | asserting(key.assertion(client))
        answers = await asyncio.gather(*(replicas[turn % 2].post("/token", data=form) for turn in range(50)))
        assert [answer.status_code for answer in answers].count(200) == 1
        for answer in answers:
            if answer.status_code != 200:
                oauth_error(answer, 401, "invalid_client")
    kinds = "SELECT count(*) FROM events WHERE details->>'client_id' = $1 AND reason = 'used_assertion'"
    assert await sql.fetchval(kinds, str(client.id)) == 5 * 49


async def test_parallel_rotations_leave_two_secrets_that_were_shown(
    environment: dict[str, str], migrated: Servers, sql: Sql
) -> None:
    client = await new_client(sql, "a")
    async with inside(environment) as service:
        manage = manage_clients(service.core)
        rotated = await asyncio.gather(*(manage.rotate(client.name, at_once=False) for _ in range(10)))
        found = await manage.find(client.name)
    shown = {digest(one.secret) for one in rotated if one.secret}
    assert len(found.secrets) == 2
    assert {secret.digest for secret in found.secrets} <= shown
