"""What closes a connection to /events, from inside: a clock that tests move, outages, keys, failures."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import jwt
import pytest
from starlette.types import Message

from app.domain.refusals import Refusal, Refused, Unavailable
from app.domain.revocations import Kind
from app.features.feed.http.events import PATH, Close, Events
from app.features.feed.services.watches import Change, Watch
from app.http.front.incoming import Incoming
from app.http.origins import Origins
from app.services.open_session import TokenPair
from app.settings import Settings
from app.wiring.feed import feed
from tests.features.feed.conftest import WOKEN, Parts, later, until
from tests.support.people import new_person
from tests.support.races import CHEAP_HASH, sign_in
from tests.support.servers import ISSUER

pytestmark = pytest.mark.requirement("L5")


@dataclass
class Socket:
    """A client of /events in this process."""

    events: Events
    leaving: asyncio.Event = field(default_factory=asyncio.Event)
    inbox: asyncio.Queue[Message] = field(default_factory=asyncio.Queue)
    outbox: asyncio.Queue[Message] = field(default_factory=asyncio.Queue)
    served: asyncio.Task[int] | None = None

    async def begin(self, headers: tuple[tuple[bytes, bytes], ...] = ()) -> "Socket":
        scope = {"type": "websocket", "headers": headers, "state": {"leaving": self.leaving}}
        self.inbox.put_nowait({"type": "websocket.connect"})
        request = Incoming(scope, self.inbox.get)
        self.served = asyncio.create_task(self.events(request, self.inbox.get, self.outbox.put))
        return self

    def say(self, token: str) -> None:
        text = json.dumps({"type": "authenticate", "access_token": token})
        self.inbox.put_nowait({"type": "websocket.receive", "text": text})

    async def ready(self, token: str) -> "Socket":
        await self.begin()
        self.say(token)
        assert (await self.outbox.get())["type"] == "websocket.accept"
        assert (await self.heard())["type"] == "ready"
        return self

    async def heard(self) -> dict[str, Any]:
        message: dict[str, Any] = json.loads((await self.outbox.get())["text"])
        return message

    async def code(self) -> int:
        assert self.served is not None
        return await self.served


@pytest.fixture
async def events(parts: Parts) -> AsyncIterator[Events]:
    names = {name.removeprefix("AUTH_").lower(): value for name, value in parts.environment.items()}
    settings = Settings.model_validate(names | {"feed": "off"})
    feature = feed(parts.service.core, settings, WOKEN)
    assert feature is not None
    assert feature.routes == ()
    made = feature.sockets[PATH](Origins(ISSUER, ()))
    assert isinstance(made, Events)
    yield made
    await until(lambda: made.watches.is_empty)
    wake(parts)
    await until(lambda: not made.watches.poller.is_running)


def wake(parts: Parts) -> None:
    for call in parts.service.core.revocations.on_announced:
        call()


async def signed_in(parts: Parts) -> TokenPair:
    return await sign_in(parts.service, await new_person(parts.sql, password_hash=CHEAP_HASH))


async def test_a_connection_is_closed_when_its_token_expires(parts: Parts, events: Events) -> None:
    socket = await Socket(events).ready((await signed_in(parts)).access_token.text)
    later(parts.service.core.authenticate.policy.lifetime)
    wake(parts)
    assert await socket.code() == Close.UNAUTHENTICATED


async def test_a_client_that_says_nothing_in_time_is_not_authenticated(parts: Parts, events: Events) -> None:
    hasty = Events(parts.service.core.authenticate, events.watches, Origins(ISSUER, ()), within=0)
    assert await (await Socket(hasty).begin()).code() == Close.UNAUTHENTICATED


async def test_a_connection_ends_with_the_process_and_none_begins_any_more(
    parts: Parts, events: Events
) -> None:
    socket = await Socket(events).ready((await signed_in(parts)).access_token.text)
    socket.leaving.set()
    assert await socket.code() == Close.RESTART
    late = Socket(events)
    late.leaving.set()
    assert await (await late.begin()).code() == 503


async def test_a_client_that_goes_is_forgotten(parts: Parts, events: Events) -> None:
    token = (await signed_in(parts)).access_token.text
    for first in (False, True):
        socket = await (Socket(events).begin() if first else Socket(events).ready(token))
        socket.inbox.put_nowait({"type": "websocket.disconnect"})
        assert await socket.code() == Close.GONE
    assert events.watches.is_empty


async def test_a_client_that_goes_while_it_is_sent_something_is_forgotten(
    parts: Parts, events: Events
) -> None:
    socket = Socket(events)

    async def gone(_: Message) -> None:
        raise OSError

    request = Incoming({"type": "websocket", "headers": ()}, socket.inbox.get)
    socket.inbox.put_nowait({"type": "websocket.connect"})
    assert await events(request, socket.inbox.get, gone) == Close.GONE


async def test_a_token_that_is_revoked_alone_closes_its_connection(parts: Parts, events: Events) -> None:
    first, other = [(await signed_in(parts)).access_token.text for _ in range(2)]
    token_id = jwt.decode(first, options={"verify_signature": False})["jti"]
    socket, second = await Socket(events).ready(first), await Socket(events).ready(other)
    await parts.revoke(token_id, Kind.TOKEN)
    await parts.service.revocations.announce([token_id])
    assert await socket.code() == Close.UNAUTHENTICATED
    assert second.outbox.empty()
    second.leaving.set()
    assert await second.code() == Close.RESTART


@pytest.mark.parametrize("kind", [Kind.KEY, None], ids=["as now", "as the release before writes it"])
async def test_after_a_retired_key_each_token_is_checked_again(
    parts: Parts, events: Events, monkeypatch: pytest.MonkeyPatch, kind: Kind | None
) -> None:
    socket = await Socket(events).ready((await signed_in(parts)).access_token.text)
    checks: list[object] = []

    async def any_revoked(ids: object) -> bool:
        checks.append(ids)
        return len(checks) > 1

    monkeypatch.setattr(parts.service.core.revocations, "any_revoked", any_revoked)
    for number in (1, 2):
        await parts.revoke(str(uuid4()), kind)
        wake(parts)
        await until(lambda number=number: len(checks) == number)  # type: ignore[misc] # mypy and defaults
    assert await socket.code() == Close.UNAUTHENTICATED


async def test_a_session_that_ended_elsewhere_is_told_with_the_reason(parts: Parts, events: Events) -> None:
    token = (await signed_in(parts)).access_token.text
    socket = await Socket(events).ready(token)
    await parts.revoke(jwt.decode(token, options={"verify_signature": False})["sid"])
    wake(parts)
    assert await socket.heard() == {"type": "session_revoked", "reason": "logout"}
    assert await socket.code() == Close.UNAUTHENTICATED


async def test_a_session_that_ends_while_its_client_connects_is_not_watched(
    parts: Parts, events: Events, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair = await signed_in(parts)
    enter = events.watches.enter

    async def late(*arguments: Any) -> Watch:
        session_id = jwt.decode(pair.access_token.text, options={"verify_signature": False})["sid"]
        await parts.revoke(session_id)
        await parts.service.revocations.announce([session_id])
        return await enter(*arguments)

    monkeypatch.setattr(events.watches, "enter", late)
    socket = await Socket(events).begin()
    socket.say(pair.access_token.text)
    assert await socket.code() == Close.UNAUTHENTICATED


async def test_during_an_outage_a_client_is_asked_to_come_again(
    parts: Parts, events: Events, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = (await signed_in(parts)).access_token.text
    socket = await Socket(events).ready(token)

    async def unknown(_: object) -> bool:
        raise Unavailable("gone")

    monkeypatch.setattr(parts.service.core.revocations, "any_revoked", unknown)
    socket.say(token)
    assert await socket.code() == Close.TRY_AGAIN
    await until(lambda: not events.watches.poller.is_running)
    monkeypatch.undo()
    monkeypatch.setattr(parts.service.core.stores.revocations, "changes", unknown)
    late = await Socket(events).begin()
    late.say(token)
    assert await late.code() == Close.TRY_AGAIN


async def test_a_failed_poller_closes_what_it_would_tell_nothing_any_more(
    parts: Parts, events: Events, monkeypatch: pytest.MonkeyPatch
) -> None:
    socket = await Socket(events).ready((await signed_in(parts)).access_token.text)

    async def broken(_: object) -> bool:
        raise ZeroDivisionError

    monkeypatch.setattr(parts.service.core.stores.revocations, "changes", broken)
    wake(parts)
    assert await socket.code() == Close.TRY_AGAIN


async def test_nothing_follows_the_end_of_a_session(parts: Parts, events: Events) -> None:
    token = await parts.service.core.authenticate((await signed_in(parts)).access_token.text)
    watches = [await events.watches.enter(token) for _ in range(8)]  # type: ignore[arg-type] # of a session
    with pytest.raises(Refused) as refused:
        await events.watches.enter(token)  # type: ignore[arg-type] # likewise
    assert refused.value.refusal is Refusal.TOO_MANY_REQUESTS
    watches[0].becomes(Change.SESSION_ENDED, "logout")
    watches[0].becomes(Change.EXPIRED)
    await watches[0].changed()
    assert (watches[0].change, watches[0].reason) == (Change.SESSION_ENDED, "logout")
    for watch in (*watches, watches[0]):
        events.watches.leave(watch)
    assert events.watches.is_empty


async def test_without_the_feed_and_the_sockets_there_is_no_feature(parts: Parts) -> None:
    names = {name.removeprefix("AUTH_").lower(): value for name, value in parts.environment.items()}
    settings = Settings.model_validate(names | {"feed": "off", "events": "off"})
    assert feed(parts.service.core, settings) is None
