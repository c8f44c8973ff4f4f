"""Keys change while people come and go, and nobody notices: neither they nor whoever checks their tokens."""

import asyncio
import random
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import httpx2
import jwt
import pytest

from app.dev import Servers
from tests.support.connections import Connection, connections
from tests.support.database import Sql, connect
from tests.support.people import Person, login, me, new_person, refresh
from tests.support.processes import PATIENCE
from tests.support.servers import ISSUER, NO_TLS, Service, app, database, free_port, migrate
from tests.support.verifiers import Cache, ShiftedTime, caches, kids_in, published_by
from tests.support.waiting import until

pytestmark = pytest.mark.requirement("K2")

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
INTERVAL = timedelta(days=30)
TOKEN_LASTS = 15 * MINUTE
# A replica may sign with a view of 15 minutes; what it signs lasts, with the leeway; caches are kept.
VERIFYING = 15 * MINUTE + TOKEN_LASTS + timedelta(seconds=30 + 300)
PEOPLE = 3
PAUSE = 0.2  # Seconds between what one of them does; verifying is what costs here.


@dataclass(frozen=True, slots=True)
class Taken:
    """An access token that somebody got, and when, in shifted time."""

    token: str
    kid: str
    at: timedelta


class Town:
    """A service, people who use it without a pause, and APIs that take their tokens."""

    def __init__(self, service: Service, sql: Sql, time: ShiftedTime, apis: list[Cache]) -> None:
        self.service = service
        self.time = time
        self._sql = sql
        self._apis = apis
        self._taken: list[Taken] = []
        self._published: list[tuple[str, bytes]] = []  # By each worker.

    @asynccontextmanager
    async def at_work(self) -> AsyncIterator[None]:
        """Until the end, or until a good token is refused, or a worker has no key set."""
        people = [await new_person(self._sql) for _ in range(PEOPLE)]
        # No connection is kept, so that any worker may answer any request.
        limits = httpx2.Limits(max_keepalive_connections=0)
        async with (
            connections(self.service, each=1) as workers,
            httpx2.AsyncClient(
                base_url=self.service.url, verify=NO_TLS, trust_env=False, timeout=PATIENCE, limits=limits
            ) as client,
            asyncio.TaskGroup() as group,
        ):
            tasks = [group.create_task(self._comes_and_goes(client, person)) for person in people]
            tasks.append(group.create_task(self._watches(workers)))
            yield
            for task in tasks:
                task.cancel()

    async def goes_on(self) -> str:
        """Come back when everybody has checked several new tokens; the key that signed the last of them."""
        enough = len(self._taken) + 3 * PEOPLE

        async def have_enough() -> bool:
            return len(self._taken) >= enough

        await until(have_enough)
        return self._taken[-1].kid

    async def is_taken_over_from(self, kid: str) -> str:
        """Come back when another key signs, with its name, and when all that goes with it has been seen."""

        async def another_one_signs() -> bool:
            return self._taken[-1].kid != kid

        await until(another_one_signs)
        return await self.goes_on()

    async def publishes(self) -> set[str]:
        """The keys in the key set, once all workers have the one that Postgres has, to the byte."""
        stored = await self._sql.fetch("SELECT kid FROM signing_keys")
        kids = {row["kid"] for row in stored}

        async def everywhere() -> bool:
            return all(kids_in(document) == kids for _, document in self._published)

        await until(everywhere)
        assert len(set(self._published)) == 1
        return kids

    async def no_longer_publishes(self, kid: str) -> None:
        async def is_gone() -> bool:
            return not await self._sql.fetchval("SELECT count(*) FROM signing_keys WHERE kid = $1", kid)

        await until(is_gone)
        assert kid not in await self.publishes()

    async def rotate(self) -> subprocess.CompletedProcess[str]:
        return await asyncio.to_thread(app, "keys", "rotate", environment=self.service.environment)

    async def refuses_to_rotate(self) -> None:
        """For the sake of verifiers that may not know the standby; what else is due is done all the same."""
        refused = await self.rotate()
        assert (refused.returncode, refused.stdout) == (1, "")
        assert "when every verifier has seen it" in refused.stderr

    def kids(self) -> list[str]:
        """All that have signed, in turn."""
        return list(dict.fromkeys(taken.kid for taken in self._taken))

    async def _comes_and_goes(self, client: httpx2.AsyncClient, person: Person) -> None:
        while True:
            answer = await login(client, person)
            for _ in range(5):
                assert answer.status_code == 200, answer.text
                token = answer.json()["access_token"]
                taken = Taken(token, jwt.get_unverified_header(token)["kid"], self.time.passed)
                await self._is_believed(client, taken)
                self._taken.append(taken)
                for kid in self.kids():
                    await self._is_believed_again(client, kid)
                await asyncio.sleep(PAUSE)
                answer = await refresh(client, answer.json()["refresh_token"])

    async def _is_believed_again(self, client: httpx2.AsyncClient, kid: str) -> None:
        good = [taken for taken in self._taken if taken.kid == kid and self._is_good(taken)]
        if good:
            await self._is_believed(client, random.choice(good))

    async def _is_believed(self, client: httpx2.AsyncClient, taken: Taken) -> None:
        for api in self._apis:
            api.check(taken.token)
        answer = await me(client, taken.token)
        # Meanwhile its time may have passed, and its key with it.
        assert answer.status_code == 200 or not self._is_good(taken), answer.text

    def _is_good(self, taken: Taken) -> bool:
        return self.time.passed - taken.at < TOKEN_LASTS

    async def _watches(self, workers: list[Connection]) -> None:
        while True:
            self._published = [await published_by(worker) for worker in workers]
            validators, documents = (set(each) for each in zip(*self._published, strict=True))
            assert len(validators) == len(documents)
            await asyncio.sleep(PAUSE)


@pytest.fixture(params=[2])
def service(
    request: pytest.FixtureRequest, servers: Servers, environment: dict[str, str], tmp_path: Path
) -> Iterator[Service]:
    """On a database of its own, and on a port that it keeps when it is started again."""
    with database(servers.database_url, f"watchword_{uuid4().hex}") as url:
        own = environment | {"AUTH_DATABASE_URL": url}
        migrate(own)
        with Service(own, tmp_path, workers=request.param, port=free_port()) as service:
            yield service


@pytest.fixture
async def town(service: Service, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Town]:
    # PyJWKClient would ask a proxy that the environment names.
    monkeypatch.setenv("no_proxy", "localhost")
    sql = await connect(service.environment["AUTH_DATABASE_URL"])
    time = ShiftedTime(sql)
    with caches(f"{service.url}/.well-known/jwks.json", ISSUER, time) as apis:
        yield Town(service, sql, time, apis)
    await sql.close()
    assert "Traceback" not in service.logs()


async def test_no_good_token_is_refused_while_keys_rotate_by_themselves_and_by_an_operators_hand(
    town: Town,
) -> None:
    async with town.at_work():
        first = await town.goes_on()
        await town.refuses_to_rotate()
        await town.time.passes(INTERVAL - 2 * MINUTE)
        assert await town.goes_on() == first
        # No cache is over when the standby takes over: it must be in all of them.
        await town.time.passes(3 * MINUTE)
        second = await town.is_taken_over_from(first)
        assert {first, second} < await town.publishes()

        # The longest cache is still the one from before the next standby was published, and then it is not.
        await town.time.passes(56 * MINUTE)
        await town.goes_on()
        await town.time.passes(2 * MINUTE)
        assert await town.goes_on() == second
        await town.refuses_to_rotate()
        await town.time.passes(2.5 * MINUTE)
        rotated = await town.rotate()
        assert rotated.returncode == 0, rotated.stderr
        third = await town.is_taken_over_from(second)
        assert rotated.stdout == f"{third} signs from now on\n"
        assert {second, third} < await town.publishes()

        # Who fetches the key set now must still find the key of tokens that are good.
        await town.time.passes(10 * MINUTE)
        assert await town.goes_on() == third
    assert town.kids() == [first, second, third]


@pytest.mark.parametrize("service", [2], indirect=True)
async def test_no_good_token_is_refused_while_the_algorithm_changes_and_the_old_key_goes_in_its_time(
    town: Town,
) -> None:
    async with town.at_work():
        rsa = await town.goes_on()
        await town.time.passes(HOUR + MINUTE)
        assert await town.goes_on() == rsa
    assert town.service.terminate() == 0
    town.service.environment["AUTH_SIGNING_ALGORITHM"] = "ES256"
    town.service.start()
    async with town.at_work():
        # The caches are those from before; the standby of the new algorithm is too young for an hour.
        assert await town.goes_on() == rsa
        await town.time.passes(58 * MINUTE)
        await town.refuses_to_rotate()
        assert await town.goes_on() == rsa
        await town.time.passes(3 * MINUTE)
        ec = await town.is_taken_over_from(rsa)
        assert {rsa, ec} < await town.publishes()

        await town.time.passes(10 * MINUTE)
        assert await town.goes_on() == ec
        await town.time.passes(VERIFYING - 12 * MINUTE)
        await town.refuses_to_rotate()
        assert rsa in await town.publishes()
        await town.time.passes(3 * MINUTE)
        await town.no_longer_publishes(rsa)
        assert await town.goes_on() == ec
    assert town.kids() == [rsa, ec]
