"""When the poller looks, and what it tells."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from uuid import uuid4

import jwt
import pytest

from app.domain.refusals import Refusal, Refused, Unavailable
from app.domain.revocations import Changes, Kind, Revocation
from app.domain.visitors import Visitor
from tests.features.feed.conftest import REVOKE, Parts, until
from tests.support.database import connect
from tests.support.people import new_person
from tests.support.races import CHEAP_HASH, sign_in

pytestmark = pytest.mark.requirement("L4")


class Watched:
    """A store of revocations that counts the looks, and may be out of reach."""

    def __init__(self, parts: Parts) -> None:
        self.looks = 0
        self.fault: Exception | None = None
        self.epoch: str | None = None
        self._changes = parts.service.core.stores.revocations.changes

    async def changes(self, since: str | None) -> Changes:
        self.looks += 1
        if self.fault is not None:
            raise self.fault
        found = await self._changes(since)
        if self.epoch is None:
            return found
        return found._replace(position=f"{self.epoch} 5:5:", is_whole=True)


@pytest.fixture
def watched(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> Watched:
    watched = Watched(parts)
    monkeypatch.setattr(parts.service.core.stores.revocations, "changes", watched.changes)
    return watched


async def test_it_looks_only_while_there_is_a_listener(parts: Parts, watched: Watched) -> None:
    assert (parts.poller.is_running, watched.looks) == (False, 0)
    first = await (await parts.listens()).begun()
    second = await (await parts.listens()).begun()
    first.stream.end()
    looks = watched.looks
    parts.poller.wake()
    await until(lambda: watched.looks > looks)
    assert parts.poller.is_running
    second.stream.end()
    await until(lambda: not parts.poller.is_running)
    looks = watched.looks
    parts.poller.wake()
    await (await parts.listens()).begun()
    assert watched.looks >= looks + 1


async def test_a_logout_of_this_process_is_told_at_once(parts: Parts) -> None:
    """Nothing else wakes the poller of these tests."""
    pair = await sign_in(parts.service, await new_person(parts.sql, password_hash=CHEAP_HASH))
    claims = jwt.decode(pair.access_token.text, options={"verify_signature": False})
    heard = await (await parts.listens()).begun()
    await parts.service.use_cases.logout(pair.refresh_token, None, Visitor("192.0.2.1", "tests"))
    piece = await heard.piece()
    status = claims["status"]["status_list"]
    assert f'"sid":"{claims["sid"]}","sub":"{claims["sub"]}"' in piece
    assert f'"status":{{"idx":{status["idx"]},"uri":"{status["uri"]}"}}' in piece
    assert '"reason":"logout"' in piece
    assert heard.id != ""
    assert f"id: {heard.id}\nevent: session-revoked\n" in piece


async def test_a_retired_key_is_told(parts: Parts) -> None:
    heard = await (await parts.listens()).begun()
    await parts.revoke("kid-1", Kind.KEY)
    parts.poller.wake()
    assert await heard.names() == ["key-retired kid-1"]


async def test_a_late_commit_is_told_though_later_ones_were_told_before(parts: Parts) -> None:
    heard = await (await parts.listens()).begun()
    other = await connect(parts.environment["AUTH_DATABASE_URL"])
    transaction = other.transaction()
    await transaction.start()
    late, early = str(uuid4()), str(uuid4())
    await other.execute(REVOKE, late, Kind.SESSION, uuid4())
    await parts.revoke(early)
    parts.poller.wake()
    assert await heard.names() == [f"session-revoked {early}"]
    await transaction.commit()
    parts.poller.wake()
    assert await heard.names() == [f"session-revoked {late}"]
    await other.close()


async def test_a_revocation_of_the_release_before_is_a_reset(parts: Parts) -> None:
    heard = await (await parts.listens()).begun()
    await parts.revoke(str(uuid4()), None)
    parts.poller.wake()
    assert await heard.names() == ["reset"]


async def test_another_run_of_the_database_is_a_reset(parts: Parts, watched: Watched) -> None:
    heard = await (await parts.listens()).begun()
    before, watched.epoch = heard.id, "another"
    parts.poller.wake()
    assert await heard.names() == ["reset"]
    assert heard.id.partition(".")[0] != before.partition(".")[0]


async def test_an_outage_only_delays(parts: Parts, watched: Watched) -> None:
    heard = await (await parts.listens()).begun()
    watched.fault = Unavailable("gone")
    entry = await parts.revoke(str(uuid4()))
    for fault in (Unavailable("gone"), Refused(Refusal.OVERLOADED)):
        watched.fault, looks = fault, watched.looks
        parts.poller.wake()
        await until(lambda looks=looks: watched.looks > looks)  # type: ignore[misc] # mypy and defaults
    with pytest.raises(Refused):
        # The first listener of a poller learns of the outage.
        await parts.service.core.stores.revocations.changes(None)
    watched.fault = None
    parts.poller.wake()
    assert await heard.names() == [f"session-revoked {entry}"]


async def test_no_client_begins_to_listen_during_an_outage(parts: Parts, watched: Watched) -> None:
    token = await parts.token()
    watched.fault = Unavailable("gone")
    with pytest.raises(Unavailable):
        await parts.listens(token=token)
    assert parts.listeners.is_empty
    watched.fault = None
    await (await parts.listens(token=token)).begun()


async def test_when_it_fails_its_listeners_are_sent_away_and_it_begins_anew(
    parts: Parts, watched: Watched
) -> None:
    heard = await (await parts.listens()).begun()
    watched.fault = ZeroDivisionError()
    parts.poller.wake()
    await heard.over()
    await until(lambda: not parts.poller.is_running)
    watched.fault = None
    await (await parts.listens()).begun()


async def test_many_revocations_come_in_pieces_and_the_last_one_has_the_id(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard = await (await parts.listens()).begun()
    found = await parts.service.core.stores.revocations.changes(None)
    (known,) = [dict(batch) async for batch in found.batches][:1]
    one = Revocation(next(iter(known.values())).lasts, next(iter(known.values())).expires_at, Kind.KEY)

    async def batches() -> AsyncIterator[Mapping[str, Revocation]]:
        yield {f"a{number}": one for number in range(100)}
        yield {}
        yield {"b": one}
        yield {}

    async def changes(_: str | None) -> Changes:
        return Changes(found.position.replace(":", "1:", 1), batches(), is_whole=False)

    monkeypatch.setattr(parts.service.core.stores.revocations, "changes", changes)
    before = heard.id
    parts.poller.wake()
    assert await heard.names() == [f"key-retired a{number}" for number in range(64)]
    assert await heard.names() == [f"key-retired a{number}" for number in range(64, 100)]
    assert heard.id == before
    assert await heard.names() == ["key-retired b"]
    assert heard.id != before


async def test_many_listeners_are_told_with_turns_for_requests_in_between(parts: Parts) -> None:
    token = await parts.token()
    heard = [await (await parts.listens(token=token)).begun() for _ in range(40)]
    entry = await parts.revoke(str(uuid4()))
    parts.poller.wake()
    names = await asyncio.gather(*(each.names() for each in heard))
    assert names == [[f"session-revoked {entry}"]] * 40
