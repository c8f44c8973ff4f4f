"""Keys are made, rotated and retired by any number of processes at once, and once each."""

import asyncio
import json
import multiprocessing
from collections.abc import AsyncIterator, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from multiprocessing.synchronize import Barrier
from typing import Any, NamedTuple
from uuid import uuid4

import pytest

from app.dev import Servers
from app.domain.refusals import Refused
from app.wiring import Service
from tests.support.database import Sql, connect
from tests.support.depth import depth
from tests.support.processes import PATIENCE
from tests.support.races import parts
from tests.support.servers import database, migrate

pytestmark = pytest.mark.requirement("K3")

AT_ONCE = 8
ROUNDS = depth(2, 30)
STANDBY = "activated_at IS NULL"
SIGNING = "activated_at IS NOT NULL AND superseded_at IS NULL"
VERIFYING = "superseded_at IS NOT NULL"

_together: list[Barrier] = []


class Seen(NamedTuple):
    """What a process would serve and sign with, having loaded its keys."""

    key_set: bytes
    signing: str | None


def begin(barrier: Barrier) -> None:
    """Keep in a new process what it is to wait at."""
    _together.append(barrier)


def load(environment: Mapping[str, str]) -> Seen:
    """Load the keys at the same moment as all others do something."""

    async def load_together() -> Seen:
        async with parts(environment) as service:
            await asyncio.to_thread(_together[0].wait, PATIENCE)
            await service.keys.load()
            view = service.keys.view
            signer = None if view is None else view.signer
            return Seen(service.keys.key_set().document, None if signer is None else signer.kid)

    return asyncio.run(load_together())


def operate(environment: Mapping[str, str], command: str, *arguments: str | bool) -> str | None:
    """An operator's command at the same moment; the `kid` that it changed, or None when it was refused."""

    async def carry_out(service: Service) -> str:
        if command == "retire":
            await service.operator_keys.retire(str(arguments[0]))
            return str(arguments[0])
        return await service.operator_keys.rotate(at_once=bool(arguments[0]))

    async def operate_together() -> str | None:
        async with parts(environment) as service:
            await asyncio.to_thread(_together[0].wait, PATIENCE)
            try:
                return await carry_out(service)
            except Refused:
                return None

    return asyncio.run(operate_together())


class Race:
    """Eight processes and their database."""

    def __init__(self, processes: ProcessPoolExecutor, environment: dict[str, str], sql: Sql) -> None:
        self._processes = processes
        self._environment = environment
        self._sql = sql

    async def together(self, *calls: tuple[Any, ...]) -> list[Any]:
        """Make the calls at the same moment; the barrier sees to it that each process takes one."""
        assert len(calls) == AT_ONCE
        running = [self._processes.submit(call, self._environment, *rest) for call, *rest in calls]
        return await asyncio.gather(*map(asyncio.wrap_future, running))

    async def all_load(self) -> Seen:
        """All of them load their keys; what every one of them sees."""
        seen = await self.together(*([(load,)] * AT_ONCE))
        (agreed,) = set(seen)
        assert isinstance(agreed, Seen)
        return agreed

    async def empty(self) -> None:
        await self._sql.execute("TRUNCATE signing_keys, revocations")

    async def age(self, interval: str) -> None:
        """So much time goes by for the keys that sign and stand by."""
        await self._sql.execute(
            f"""UPDATE signing_keys SET created_at = created_at - interval '{interval}',
                    activated_at = activated_at - interval '{interval}' WHERE superseded_at IS NULL"""
        )

    async def kids(self, condition: str) -> set[str]:
        rows = await self._sql.fetch(f"SELECT kid FROM signing_keys WHERE {condition}")
        return {row["kid"] for row in rows}

    async def revoked(self) -> set[str]:
        return {row["id"] for row in await self._sql.fetch("SELECT id FROM revocations")}

    async def pair(self) -> tuple[str, str]:
        """The signing key and the standby, of which there is one each."""
        (signing,), (standby,) = await self.kids(SIGNING), await self.kids(STANDBY)
        return signing, standby


@pytest.fixture(scope="module")
def processes() -> Iterator[ProcessPoolExecutor]:
    forkserver = multiprocessing.get_context("forkserver")
    forkserver.set_forkserver_preload([__name__])
    with ProcessPoolExecutor(AT_ONCE, forkserver, begin, (forkserver.Barrier(AT_ONCE),)) as pool:
        yield pool


@pytest.fixture(scope="module")
def fresh(servers: Servers, environment: dict[str, str]) -> Iterator[dict[str, str]]:
    """On a database of this module's own, and without Redis, which knows this worker's own."""
    with database(servers.database_url, f"watchword_{uuid4().hex}") as url:
        own = {
            "AUTH_DATABASE_URL": url,
            "AUTH_REDIS_URL": "redis://127.0.0.1:1/0",
            "AUTH_SIGNING_ALGORITHM": "EdDSA",  # Keys of it cost nothing to make.
        }
        migrate(environment | own)
        yield environment | own


@pytest.fixture
async def race(processes: ProcessPoolExecutor, fresh: dict[str, str]) -> AsyncIterator[Race]:
    sql = await connect(fresh["AUTH_DATABASE_URL"])
    race = Race(processes, fresh, sql)
    await race.empty()
    yield race
    await sql.close()


@pytest.mark.parametrize("rounds", ROUNDS)
async def test_processes_that_load_at_once_make_one_pair_and_rotate_it_once(race: Race, rounds: int) -> None:
    for _ in range(rounds):
        await race.empty()
        made = await race.all_load()
        signing, standby = await race.pair()
        assert made.signing == signing
        assert await race.kids(VERIFYING) == set()
        assert kids_of(made) == {signing, standby}

        await race.age("31 days")
        rotated = await race.all_load()
        successor, new_standby = await race.pair()
        assert rotated.signing == successor == standby
        assert await race.kids(VERIFYING) == {signing}
        assert new_standby not in {signing, standby}
        assert kids_of(rotated) == {signing, standby, new_standby}


@pytest.mark.parametrize("rounds", ROUNDS)
@pytest.mark.parametrize(
    ("age", "at_once", "possible"),
    [
        pytest.param("2 hours", False, {1}, id="only an operator rotates"),
        pytest.param("31 days", False, {1}, id="the rotation is due, and its new standby too young"),
        pytest.param("31 days", True, {1, 2, 3, 4, 5}, id="the rotation is due, and operators want another"),
    ],
)
async def test_operators_who_rotate_at_the_moment_of_rotation_leave_one_pair(
    race: Race, rounds: int, age: str, at_once: bool, possible: set[int]
) -> None:
    for _ in range(rounds):
        await race.empty()
        await race.all_load()
        signing, standby = await race.pair()
        await race.age(age)
        half = AT_ONCE // 2
        answers = await race.together(*([(load,)] * half), *([(operate, "rotate", at_once)] * half))
        # A rotation serves every operator who asked before it, whoever made it.
        by_itself = {standby} if age == "31 days" else set[str]()
        rotated_to = by_itself | {kid for kid in answers[half:] if kid is not None}
        assert len(rotated_to) in possible
        assert len(await race.kids(VERIFYING)) == len(rotated_to)
        successor, _ = await race.pair()
        assert successor in rotated_to
        assert signing in await race.kids(VERIFYING)
        assert (await race.all_load()).signing == successor


@pytest.mark.parametrize("rounds", ROUNDS)
@pytest.mark.parametrize("age", ["0 hours", "31 days"])
@pytest.mark.parametrize("which", ["signing", "standby"])
async def test_a_key_that_is_retired_at_the_moment_of_rotation_is_gone_for_all(
    race: Race, rounds: int, age: str, which: str
) -> None:
    for _ in range(rounds):
        await race.empty()
        await race.all_load()
        signing, standby = await race.pair()
        retired = signing if which == "signing" else standby
        await race.age(age)
        half = AT_ONCE // 2
        answers = await race.together(*([(load,)] * half), *([(operate, "retire", retired)] * half))
        assert sorted(answers[half:], key=bool) == [None, None, None, retired]
        assert await race.revoked() == {retired}
        pair = await race.pair()
        assert retired not in {*pair, *await race.kids(VERIFYING)}
        served = await race.all_load()
        assert served.signing == pair[0]
        assert retired.encode() not in served.key_set


def kids_of(seen: Seen) -> set[str]:
    """The names in a key set, as a verifier reads them."""
    return {key["kid"] for key in json.loads(seen.key_set)["keys"]}
