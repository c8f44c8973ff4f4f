"""What the published lists hold, and for how long."""

import asyncio
from datetime import timedelta
from itertools import pairwise
from uuid import UUID

import jwt
import pytest

from app.domain.refusals import Unavailable
from app.domain.revocations import Changes
from app.domain.statuses import SIZE
from app.domain.visitors import Visitor
from app.features.status_lists import services
from app.features.status_lists.domain import LIFETIME
from app.features.status_lists.services import FORGET_EVERY, LOOK_EVERY, StatusLists
from app.services.open_session import TokenPair
from tests.features.status_lists.conftest import Parts, later, place_of, unverified
from tests.support.waiting import until

pytestmark = pytest.mark.requirement("L3")

HERE = Visitor("192.0.2.1", "tests")
REVOKED_AS_BEFORE = "INSERT INTO revocations (id, expires_at) VALUES ($1, now() + interval '16 minutes')"


class Watched:
    """A store of revocations that counts the looks, and may be out of reach."""

    def __init__(self, lists: StatusLists) -> None:
        self.looks = 0
        self.is_gone = False
        self.gate: asyncio.Event | None = None
        self._changes = lists.store.changes

    async def changes(self, since: str | None) -> Changes:
        self.looks += 1
        if self.gate is not None:
            await self.gate.wait()
        if self.is_gone:
            raise Unavailable("gone")
        return await self._changes(since)


@pytest.fixture
def watched(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> Watched:
    watched = Watched(parts.lists)
    monkeypatch.setattr(parts.lists.store, "changes", watched.changes)
    return watched


async def test_the_bit_of_a_session_is_set_once_it_has_ended(parts: Parts) -> None:
    ended, living = await parts.signed_in(), await parts.signed_in()
    assert (await parts.is_revoked(ended), await parts.is_revoked(living)) == (False, False)
    await parts.service.use_cases.logout(ended.refresh_token, None, HERE)
    later(LOOK_EVERY)
    assert (await parts.is_revoked(ended), await parts.is_revoked(living)) == (True, False)


async def test_all_tokens_of_a_session_name_the_same_place(parts: Parts) -> None:
    first = await parts.signed_in()
    refreshed = await parts.service.use_cases.refresh(first.refresh_token, first.client, HERE, None)
    assert place_of(refreshed) == place_of(first)
    assert place_of(await parts.signed_in()) != place_of(first)


async def test_every_way_to_end_sessions_sets_their_bits(parts: Parts) -> None:
    everywhere, disabled, deleted, revoked = [await parts.signed_in() for _ in range(4)]
    await parts.service.use_cases.logout_everywhere(everywhere.refresh_token, None, HERE)
    await parts.service.accounts.disable(unverified(disabled.access_token.text)["sub"])
    await parts.service.accounts.delete(unverified(deleted.access_token.text)["sub"])
    await parts.service.operator_sessions.end(UUID(session_of(revoked)))
    later(LOOK_EVERY)
    ended = (everywhere, disabled, deleted, revoked)
    assert [await parts.is_revoked(pair) for pair in ended] == [True] * len(ended)


async def test_a_session_without_a_number_gets_one_by_its_next_refresh(parts: Parts) -> None:
    """As a session that was opened before revision 0011."""
    first = await parts.signed_in()
    await parts.sql.execute("UPDATE sessions SET status = NULL WHERE id = $1", session_of(first))
    refreshed = await parts.service.use_cases.refresh(first.refresh_token, first.client, HERE, None)
    await parts.service.use_cases.logout(refreshed.refresh_token, None, HERE)
    assert await parts.is_revoked(refreshed)


async def test_a_token_of_a_session_without_a_number_names_no_place(parts: Parts) -> None:
    session_id = session_of(await parts.signed_in())
    await parts.sql.execute("UPDATE sessions SET status = NULL WHERE id = $1", session_id)
    found = await parts.service.core.stores.sessions.read(UUID(session_id))
    assert found is not None
    minted = await parts.service.core.minter.mint(found[0].grant)
    assert "status" not in unverified(minted.text)


async def test_a_revocation_of_the_release_before_is_found_by_its_session(parts: Parts) -> None:
    pair = await parts.signed_in()
    assert not await parts.is_revoked(pair)
    await parts.sql.execute(REVOKED_AS_BEFORE, session_of(pair))
    await parts.sql.execute(REVOKED_AS_BEFORE, "the-id-of-a-token")
    later(LOOK_EVERY)
    assert await parts.is_revoked(pair)


async def test_many_requests_look_once_a_second(parts: Parts, watched: Watched) -> None:
    await asyncio.gather(*(parts.lists.published(0) for _ in range(50)))
    await parts.lists.numbers()
    assert watched.looks == 1
    later(LOOK_EVERY)
    await asyncio.gather(*(parts.lists.published(0) for _ in range(50)))
    assert watched.looks == 2


async def test_a_request_that_ends_early_does_not_end_the_look_of_others(
    parts: Parts, watched: Watched
) -> None:
    watched.gate = asyncio.Event()
    first, second = (asyncio.create_task(parts.lists.published(0)) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    watched.gate.set()
    assert await second is not None
    assert watched.looks == 1


async def test_the_list_stays_the_same_text_until_something_changes_or_it_grows_old(parts: Parts) -> None:
    await parts.signed_in()
    first = await parts.lists.published(0)
    later(timedelta(minutes=2))
    assert await parts.lists.published(0) == first
    later(timedelta(minutes=1, seconds=1))
    renewed = await parts.payload()
    assert first is not None
    before = unverified(first.document)
    assert renewed["exp"] >= before["exp"] + 180
    assert renewed["status_list"] == before["status_list"]


async def test_the_bit_is_cleared_when_no_token_of_the_session_is_accepted_any_more(parts: Parts) -> None:
    pair = await parts.signed_in()
    await parts.service.use_cases.logout(pair.refresh_token, None, HERE)
    assert await parts.is_revoked(pair)
    later(parts.service.core.authenticate.policy.revocation_ttl - timedelta(seconds=30))
    await parts.service.keys.load()
    assert await parts.is_revoked(pair)
    later(timedelta(seconds=31) + FORGET_EVERY)
    assert not await parts.is_revoked(pair)


async def test_without_postgres_the_last_list_is_served_until_it_expires(
    parts: Parts, watched: Watched
) -> None:
    first = await parts.lists.published(0)
    watched.is_gone = True
    later(timedelta(minutes=2))
    assert await parts.lists.published(0) == first
    # A list that was signed again would hide what has ended since, so it expires although there is a key.
    later(timedelta(minutes=3))
    parts.service.keys.require_signer()
    with pytest.raises(Unavailable):
        await parts.lists.published(0)
    watched.is_gone = False
    later(LOOK_EVERY)
    assert await parts.lists.published(0) is not None


async def test_a_request_waits_for_a_slow_look_when_no_list_may_be_used_any_more(
    parts: Parts, watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(services, "LONGEST_WAIT", 0.0)
    await parts.lists.published(0)
    later(LIFETIME)
    watched.gate = asyncio.Event()
    asked = asyncio.create_task(parts.lists.published(0))

    async def looks() -> bool:
        return watched.looks == 2

    await until(looks)
    watched.gate.set()
    assert await asked is not None


@pytest.mark.requirement("E10")
async def test_a_list_that_is_not_published_says_why_in_the_words_of_postgres(
    parts: Parts, watched: Watched
) -> None:
    watched.is_gone = True
    with pytest.raises(Unavailable) as refused:
        await parts.lists.published(0)
    assert refused.value.reason == "gone"


async def test_nothing_is_published_before_postgres_has_answered(parts: Parts, watched: Watched) -> None:
    watched.is_gone = True
    with pytest.raises(Unavailable):
        await parts.lists.published(0)
    watched.is_gone = False
    later(LOOK_EVERY)
    assert await parts.lists.published(0) is not None


async def test_a_list_is_signed_by_the_key_that_signs_now(parts: Parts) -> None:
    def kid(document: bytes) -> str:
        header = jwt.get_unverified_header(document)
        assert header["typ"] == "statuslist+jwt"
        return str(header["kid"])

    first = await parts.lists.published(0)
    assert first is not None
    assert kid(first.document) == parts.service.keys.require_signer().kid


async def test_a_list_that_no_session_is_in_does_not_exist(parts: Parts) -> None:
    newest = place_of(await parts.signed_in()).number
    later(LOOK_EVERY)
    assert await parts.lists.numbers() == range(newest + 1)
    assert await parts.lists.published(newest + 1) is None


async def test_places_are_permuted_within_their_list(parts: Parts) -> None:
    numbers = await parts.sql.fetch(
        "SELECT number, session_status(number) AS status FROM generate_series(0, 4999) AS number"
    )
    places = [row["status"] for row in numbers]
    assert len(set(places)) == len(places)
    assert all(0 <= place < SIZE for place in places)
    # As many neighbours rise as fall, as in a list that was shuffled.
    rising = sum(one < two for one, two in pairwise(places))
    assert 2_300 < rising < 2_700
    assert await parts.sql.fetchval("SELECT session_status($1) >> 20", 5 * SIZE + 3) == 5


def session_of(pair: TokenPair) -> str:
    return str(unverified(pair.access_token.text)["sid"])
