"""How many listen, how much waits for each of them, and when a stream ends."""

from datetime import timedelta
from uuid import uuid4

import pytest

from app.domain.refusals import Refusal, Refused, Unavailable
from app.domain.revocations import Kind
from app.features.clients.domain import OAuthErrorCode, OAuthRefused
from app.features.feed.domain import COMMENT_EVERY, SCOPE
from app.features.feed.services.listeners import MOST_WAITING, Listeners, Piece, Room
from app.features.feed.services.poller import News, Pace, Poller
from tests.features.clients.conftest import parts_of
from tests.features.feed.conftest import Parts, later, until
from tests.support.clients import new_client
from tests.support.people import new_person
from tests.support.races import CHEAP_HASH, sign_in

pytestmark = pytest.mark.requirement("L4")


async def test_a_token_without_the_scope_or_of_a_session_may_not_listen(parts: Parts) -> None:
    pair = await sign_in(parts.service, await new_person(parts.sql, password_hash=CHEAP_HASH))
    for token in (await parts.token("introspect"), pair.access_token.text):
        with pytest.raises(OAuthRefused) as refused:
            await parts.listens(token=token)
        assert refused.value.fault is OAuthErrorCode.INSUFFICIENT_SCOPE
    with pytest.raises(Refused) as invalid:
        await parts.listens(token="x")
    assert invalid.value.refusal is Refusal.INVALID_TOKEN
    assert parts.listeners.is_empty


async def test_the_listeners_of_a_client_and_of_all_clients_are_limited(parts: Parts) -> None:
    room = Room(per_client=2, in_all=3)
    poller = Poller(parts.service.core.stores.revocations, Pace(every=3600, least=0))
    listeners = Listeners(poller, None, parts.service.core.clock, room)
    first = [await listeners.enter("a") for _ in range(2)]
    with pytest.raises(Refused) as refused:
        await listeners.enter("a")
    assert (refused.value.refusal, refused.value.retry_after) == (Refusal.TOO_MANY_REQUESTS, 10)
    third = await listeners.enter("b")
    with pytest.raises(Refused) as refused:
        await listeners.enter("c")
    assert (refused.value.refusal, refused.value.retry_after) == (Refusal.OVERLOADED, 10)
    for listener in (*first, *first, third):
        listeners.leave(listener)
    assert listeners.is_empty
    for name in ("a", "a", "b"):
        listeners.leave(await listeners.enter(name))
    await until(lambda: not poller.is_running)


async def test_a_listener_that_does_not_read_is_disconnected_and_nothing_waits_for_it_any_more(
    parts: Parts,
) -> None:
    slow, quick = await parts.listens(), await (await parts.listens()).begun()
    for number in range(MOST_WAITING + 1):
        slow.stream.listener.put(Piece(b"x"))
        assert slow.stream.listener.waiting == (number + 1 if number < MOST_WAITING else 0)
    assert slow.stream.listener.is_over
    slow.stream.listener.put(Piece(b"x"))
    assert slow.stream.listener.waiting == 0
    await slow.begun()
    await slow.over()
    entry = await parts.revoke(str(uuid4()))
    parts.poller.wake()
    assert await quick.names() == [f"session-revoked {entry}"]


async def test_two_hundred_listeners_share_what_waits_for_them(parts: Parts) -> None:
    token = await parts.token()
    streams = [await parts.listen(token, None) for _ in range(200)]
    most = 0
    for _ in range(MOST_WAITING + 1):
        news = News({}, streams[0].listener.position, is_reset=True)
        await parts.listeners.tell(news)
        most = max(stream.listener.waiting for stream in streams)
        assert most <= MOST_WAITING
    assert most == 0
    assert all(stream.listener.is_over for stream in streams)
    assert sum(stream.listener.waiting for stream in streams) == 0
    for stream in streams:
        stream.end()
    assert parts.listeners.is_empty


async def test_a_comment_comes_every_fifteen_seconds_with_an_id(parts: Parts) -> None:
    heard = await (await parts.listens()).begun()
    later(COMMENT_EVERY - timedelta(seconds=1))
    await parts.revoke("a key", Kind.KEY)
    parts.poller.wake()
    assert await heard.names() == ["key-retired a key"]
    later(timedelta(seconds=1))
    parts.poller.wake()
    piece = await heard.piece()
    assert piece == f": waiting\nid: {heard.id}\n\n"
    for entry in ("another key", "a third key"):  # No comment comes with them.
        await parts.revoke(entry, Kind.KEY)
        parts.poller.wake()
        assert await heard.names() == [f"key-retired {entry}"]
    later(COMMENT_EVERY)
    parts.poller.wake()
    assert (await heard.piece()).startswith(": waiting\n")


async def test_a_stream_ends_at_the_comment_after_its_token_expired(parts: Parts) -> None:
    heard = await (await parts.listens()).begun()
    policy = parts.service.core.authenticate.policy
    later(policy.lifetime + policy.leeway)
    await parts.service.keys.load()
    parts.poller.wake()
    await heard.over()


async def test_a_stream_ends_at_the_comment_after_its_client_was_deleted(parts: Parts) -> None:
    orders = await new_client(parts.sql, SCOPE)
    heard = await (await parts.listens(token=await parts.token_of(orders))).begun()
    await parts_of(parts.service, parts.environment).manage.delete(orders.name)
    later(COMMENT_EVERY)
    parts.poller.wake()
    await heard.over()


async def test_while_a_token_cannot_be_checked_the_stream_goes_on_until_it_expires(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard = await (await parts.listens()).begun()

    async def unknown(_: object) -> bool:
        raise Unavailable("gone")

    monkeypatch.setattr(parts.service.core.revocations, "any_revoked", unknown)
    later(COMMENT_EVERY)
    parts.poller.wake()
    assert (await heard.piece()).startswith(": waiting")
    policy = parts.service.core.authenticate.policy
    monkeypatch.setattr(parts.service.core.keys, "verifier", unknown)
    later(policy.lifetime + policy.leeway)
    parts.poller.wake()
    await heard.over()
