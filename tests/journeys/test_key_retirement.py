"""A leaked key: once the command has come back no replica trusts it, and no one is signed out."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from itertools import product
from typing import NamedTuple
from uuid import UUID, uuid4

import pytest
import redis

from app.domain.keys import KeyState
from tests.support.connections import Answer, Connection, connections
from tests.support.database import Sql, connect
from tests.support.people import PASSWORD, Person, new_person
from tests.support.servers import PrivateServers, Service, app, migrate, private_pair
from tests.support.tokens import Mint, mint_for_somebody, sealed_keys, unb64
from tests.support.waiting import until

REQUESTS = 30
ROUTES = ("/me", "/verify")
"""The one asks Postgres about the session; the other asks Redis, and about revocations alone."""


class Replicas(NamedTuple):
    """A service with two workers and one with one, on one database and one Redis."""

    servers: PrivateServers
    large: Service
    small: Service


@pytest.fixture(scope="module")
def replicas(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Replicas]:
    with ExitStack() as stack:
        pair = stack.enter_context(private_pair())
        migrate(pair.environment)
        services = (Service(pair.environment, tmp_path_factory.mktemp(str(n)), workers=n) for n in (2, 1))
        yield Replicas(pair, *(stack.enter_context(service) for service in services))


@pytest.fixture
async def sql(replicas: Replicas) -> AsyncIterator[Sql]:
    connection = await connect(replicas.servers.servers.database_url)
    yield connection
    await connection.close()


@pytest.fixture
async def everywhere(replicas: Replicas) -> AsyncIterator[list[Connection]]:
    """Thirty connections, the workers of both services in turn."""
    share = REQUESTS // (replicas.large.workers + replicas.small.workers)
    async with (
        connections(replicas.large, each=share) as large,
        connections(replicas.small, each=share) as small,
    ):
        yield [*large, *small]


def kid_of(answer: Answer) -> str:
    assert answer.status == 200, answer.body
    return str(json.loads(unb64(answer.body["access_token"].split(".")[0]))["kid"])


async def sign_in(connection: Connection, person: Person) -> Answer:
    body = {"email": person.email, "password": PASSWORD, "client": "native"}
    return await connection.send("POST", "/login", body)


async def assert_all_answer(
    status: int, everywhere: list[Connection], tokens: Iterable[str], *, paths: Iterable[str] = ROUTES
) -> None:
    """Thirty requests with each token for each path, at every worker of both services."""
    for path, token in product(paths, tokens):
        held = f"Authorization: Bearer {token}\r\n"
        answers = await asyncio.gather(*(each.send("GET", path, None, held) for each in everywhere))
        assert {answer.status for answer in answers} == {status}


async def refreshed(everywhere: list[Connection], tokens: list[str]) -> list[Answer]:
    """Thirty refreshes, each session's one after the other at all workers."""
    answers = []
    for token in tokens:
        current = token
        for each in everywhere[:: len(tokens)]:
            answers.append(await each.refresh(current))
            current = answers[-1].body["refresh_token"]
    return answers


async def redis_is_believed(everywhere: list[Connection]) -> None:
    async def is_well() -> bool:
        answers = [await each.send("GET", "/readyz", None) for each in everywhere]
        return all(answer.body["redis"] == "ok" for answer in answers)

    await until(is_well)


async def gone_from_key_sets(everywhere: list[Connection], kid: str) -> None:
    async def is_gone() -> bool:
        answers = [await each.key_set() for each in everywhere]
        return all(kid not in {key["kid"] for key in answer.body["keys"]} for answer in answers)

    await until(is_gone)


def forged(mint: Mint, victim: Person, session_id: UUID) -> str:
    """Made with the private key, for the session of another person."""
    return replace(mint, session_id=session_id, account_id=victim.id).token()


@pytest.mark.parametrize("redis_is", ["well", "flushed afterwards", "killed before"])
async def test_a_retired_key_is_believed_nowhere_and_every_session_goes_on(
    replicas: Replicas, everywhere: list[Connection], sql: Sql, redis_is: str
) -> None:
    pair, person, victim = replicas.servers, await new_person(sql), await new_person(sql)
    await redis_is_believed(everywhere)
    leaked = await mint_for_somebody(replicas.large, pair.servers.database_url)
    standby = (await sealed_keys(sql))[KeyState.STANDBY].kid
    sessions = [await sign_in(each, person) for each in everywhere[::7]]
    await sign_in(everywhere[0], victim)
    of_victim = await sql.fetchval("SELECT id FROM sessions WHERE account_id = $1", victim.id)
    tokens = [session.body["access_token"] for session in sessions]
    tokens += [leaked.token(), forged(leaked, victim, of_victim)]
    await assert_all_answer(200, everywhere, tokens)
    # A session that there is not helps no forger, leaked key or not, where the session matters.
    await assert_all_answer(401, everywhere, [forged(leaked, victim, uuid4())], paths=["/me"])
    if redis_is == "killed before":
        pair.valkey.kill()

    done = await asyncio.to_thread(app, "keys", "retire", leaked.kid, "--yes", environment=pair.environment)

    assert done.returncode == 0, done.stderr
    if redis_is == "flushed afterwards":
        with redis.Redis.from_url(pair.servers.redis_url) as client:
            client.flushall()
    fresh = [leaked.token(), forged(leaked, victim, of_victim), forged(leaked, victim, uuid4())]
    await assert_all_answer(401, everywhere, [*tokens, *fresh])

    issued = [
        *await asyncio.gather(*(sign_in(each, person) for each in everywhere)),
        *await refreshed(everywhere, [session.body["refresh_token"] for session in sessions]),
    ]
    assert [kid_of(answer) for answer in issued] == [standby] * 2 * REQUESTS
    at_both = [everywhere[0], everywhere[-1]]
    await assert_all_answer(200, at_both, (answer.body["access_token"] for answer in issued))

    await gone_from_key_sets(everywhere, leaked.kid)
    if redis_is == "killed before":
        pair.valkey.start()
    await redis_is_believed(everywhere)
    fresh = [leaked.token(), forged(leaked, victim, of_victim), forged(leaked, victim, uuid4())]
    await assert_all_answer(401, everywhere, [*tokens, *fresh])
