"""A new service secret, taken into use as ``docs/operations/service-secret.md`` says, ends no session."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx2
import pytest

from app.crypto.secrets import SECRET_ID_LENGTH, ServiceSecret
from app.dev import Servers
from tests.support.database import Sql, connect
from tests.support.people import Person, login, me, new_person, refresh
from tests.support.servers import ROOT, TEST_SECRET, Service, app, database, migrate
from tests.support.tokens import unb64
from tests.support.waiting import client_of

OLD, NEW = TEST_SECRET, secrets.token_urlsafe(32)
PROCEDURE = """
1. Make a new one: `openssl rand -base64 32`.
2. Append it to the list on every replica, and restart them one after another.
3. Move it to the front on every replica, and restart them one after another.
4. `python -m app keys reseal` seals the signing keys under it.
5. After `AUTH_SESSION_TTL` (30 days) no session of the old one is left: take it off the list.
"""


class Replicas:
    """Two services on one database, restarted one after the other when their settings change."""

    def __init__(self, environment: dict[str, str], folder: Path, stack: ExitStack) -> None:
        self.environment = environment
        self.services = []
        for name in ("one", "two"):
            (folder / name).mkdir()
            self.services.append(stack.enter_context(Service(environment, folder / name)))

    def restart_with(self, *listed: str) -> Iterator[None]:
        """With these secrets; yields while the replicas differ, and once more when they do not."""
        self.environment["AUTH_SECRET_KEYS"] = ",".join(listed)
        for service in self.services:
            assert service.terminate() == 0
            service.environment = dict(self.environment)
            service.start()
            yield


class Session:
    """A native client's, which keeps its first access token and its newest; each step opens sessions anew."""

    def __init__(self, tokens: dict[str, str]) -> None:
        self.refresh_token = tokens["refresh_token"]
        self.access_tokens = [tokens["access_token"]]

    async def goes_on(self, client: httpx2.AsyncClient) -> None:
        answer = await refresh(client, self.refresh_token)
        assert answer.status_code == 200, answer.text
        self.refresh_token = answer.json()["refresh_token"]
        self.access_tokens = [self.access_tokens[0], answer.json()["access_token"]]

    async def holds(self, client: httpx2.AsyncClient) -> None:
        for token in self.access_tokens:
            assert (await me(client, token)).status_code == 200


@pytest.fixture
async def sql(servers: Servers, environment: dict[str, str]) -> AsyncIterator[Sql]:
    with database(servers.database_url, f"watchword_{secrets.token_hex(8)}") as url:
        environment |= {"AUTH_DATABASE_URL": url}
        await asyncio.to_thread(migrate, environment)
        connection = await connect(url)
        yield connection
        await connection.close()


@pytest.fixture
def environment(servers: Servers, environment: dict[str, str]) -> dict[str, str]:
    return dict(environment)


def secret_id(secret: str) -> bytes:
    return ServiceSecret.of(unb64(secret)).id


async def sealed_under(sql: Sql) -> set[bytes]:
    rows = await sql.fetch("SELECT sealed_private_key FROM signing_keys")
    return {row["sealed_private_key"][:SECRET_ID_LENGTH] for row in rows}


def test_the_procedure_is_the_one_in_the_document() -> None:
    assert PROCEDURE in (ROOT / "docs" / "operations" / "service-secret.md").read_text()


async def test_no_session_and_no_token_is_lost_while_the_secret_is_replaced(
    environment: dict[str, str], sql: Sql, tmp_path: Path
) -> None:
    person, sessions = await new_person(sql), list[Session]()

    async def all_is_well(replicas: Replicas, person: Person) -> None:
        for service in replicas.services:
            async with client_of(service) as client:
                opened = await login(client, person)
                assert opened.status_code == 200, opened.text
                sessions.append(Session(opened.json()))
        for service in replicas.services:
            async with client_of(service) as client:
                for session in sessions:
                    await session.goes_on(client)
                    await session.holds(client)

    with ExitStack() as stack:
        replicas = Replicas(environment, tmp_path, stack)
        await all_is_well(replicas, person)
        for listed in ((OLD, NEW), (NEW, OLD)):
            for _ in replicas.restart_with(*listed):
                await all_is_well(replicas, person)

        assert await sealed_under(sql) == {secret_id(OLD)}
        done = app("keys", "reseal", environment=environment)
        assert (done.returncode, done.stdout) == (0, "2 keys resealed\n")
        assert await sealed_under(sql) == {secret_id(NEW)}
        await all_is_well(replicas, person)

        # The last step, too early: the sessions of the old secret are over, and nothing else is.
        under_new = [each for each in sessions if unb64(each.refresh_token[4:])[1:5] == secret_id(NEW)]
        assert 0 < len(under_new) < len(sessions)
        sessions[:] = under_new
        for _ in replicas.restart_with(NEW):
            pass
        await all_is_well(replicas, person)
