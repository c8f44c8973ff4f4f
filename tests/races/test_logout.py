"""Once a logout was answered its session is dead, whatever was in flight, for every worker."""

import asyncio
import random
from collections import Counter

import pytest

from app.dev import Servers
from tests.support.connections import Answer, Connection, connections
from tests.support.database import Sql
from tests.support.depth import depth
from tests.support.people import new_person
from tests.support.races import CHEAP_HASH, inside, rounds, sign_in
from tests.support.servers import Service

pytestmark = pytest.mark.requirement("R3")


@pytest.mark.parametrize("number", depth(15, 1_000))
@pytest.mark.parametrize("means", ["refresh token", "access token"])
async def test_nothing_of_a_session_lives_on_after_a_logout_that_raced_refreshes(
    means: str, number: int, service2: Service, migrated: Servers, environment: dict[str, str], sql: Sql
) -> None:
    chance = random.Random(means)
    person = await new_person(sql, password_hash=CHEAP_HASH)
    seen: Counter[str] = Counter()

    async def after_a_moment(connection: Connection, token: str) -> Answer:
        await asyncio.sleep(chance.uniform(0, 0.006))
        return await connection.refresh(token)

    def is_race() -> bool:
        return min(seen["refreshed"], seen["refused"], seen["overtaken"]) > 0

    async with inside(environment) as front, connections(service2, each=6) as dealt:
        racing, later, leaving = dealt[:4], dealt[4:8], dealt[8:]
        for turn in rounds(number, is_race):
            pair = await sign_in(front, person)
            token, access = pair.refresh_token, pair.access_token.text
            in_flight = [asyncio.ensure_future(after_a_moment(each, token)) for each in racing]
            await asyncio.sleep(chance.uniform(0, 0.006))
            leaver = leaving[turn % len(leaving)]
            left = await (leaver.log_out(token) if means == "refresh token" else leaver.log_out_by(access))
            assert left.status == 204
            seen["overtaken"] += sum(not refreshing.done() for refreshing in in_flight)
            begun_later = await asyncio.gather(*(each.refresh(token) for each in later))
            assert [answer.body["code"] for answer in begun_later] == ["session_revoked"] * len(later)

            answers = await asyncio.gather(*in_flight)
            gone = [answer.body for answer in answers if answer.status == 200]
            seen["refreshed"] += len(gone)
            seen["refused"] += [answer.body.get("code") for answer in answers].count("session_revoked")
            assert len({body["refresh_token"] for body in gone}) <= 1
            for each in later:
                for body in gone[:1]:
                    assert (await each.refresh(body["refresh_token"])).body["code"] == "session_revoked"
                for text in (access, *(body["access_token"] for body in gone)):
                    assert (await each.me(text)).status == 401
    assert seen["refreshed"] + seen["refused"] == 4 * (turn + 1)
    assert is_race()
