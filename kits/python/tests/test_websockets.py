"""WebSockets: the token in the first message, renewal, and an end as soon as the token does not hold."""

import asyncio
import json

import pytest
from starlette.websockets import WebSocketDisconnect

from conformance.issuer import FEED, TOKEN, Issuer, body
from conformance.minting import LIFETIME, Mint
from testing.clock import ManualClock, eventually
from testing.peer import Peer, connected
from testing.stream import Stream, live
from testing.verdicts import Make
from watchword_verifier import ClientCredentials, Demands, Verifier


async def opened(peer: Peer, mint: Mint) -> None:
    peer.authenticate(mint.token())
    assert await peer.received() == {"type": "ready", "expires_at": mint.claims["exp"]}
    assert await peer.received() == f"hello {mint.claims['sub']} admin,editor"


async def waits(clock: ManualClock, shortest: float, longest: float) -> None:
    await asyncio.to_thread(eventually, lambda: clock.waits(shortest, longest))


async def test_a_client_authenticates_and_talks(verifier: Verifier, mint: Mint) -> None:
    async with connected(verifier) as peer:
        await opened(peer, mint)
        peer.send("one")
        peer.send('{"type":"else"}')
        assert await peer.received() == "echo one"
        assert await peer.received() == 'echo {"type":"else"}'
    assert peer.ended_well


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("hello", 4401),
        ("", 4401),
        ("{", 4401),
        ('["authenticate"]', 4401),
        ('{"type":"authenticate"}', 4401),
        ('{"type":"authenticate","access_token":7}', 4401),
        ('{"type":"authenticate","access_token":"a.b.c"}', 4401),
        ('{"type":"else","access_token":"authenticate"}', 4401),
        (json.dumps({"type": "authenticate", "access_token": "x" * 8192}), 1009),
        ("\u00e9" * 4097, 1009),
        ('"authenticate"' + "[" * 5000, 4401),
    ],
)
async def test_a_first_message_without_a_good_token_ends_the_connection(
    verifier: Verifier, text: str, code: int
) -> None:
    async with connected(verifier) as peer:
        peer.send(text)
        assert await peer.received() == code
    assert not peer.ended_well


@pytest.mark.parametrize(("data", "code"), [(b"x", 4401), (b"x" * 8193, 1009)])
async def test_a_binary_first_message_ends_the_connection(verifier: Verifier, data: bytes, code: int) -> None:
    async with connected(verifier) as peer:
        peer.send(data=data)
        assert await peer.received() == code


async def test_a_client_that_says_nothing_is_closed_after_five_seconds(
    verifier: Verifier, clock: ManualClock
) -> None:
    async with connected(verifier) as peer:
        while not clock._alarms:  # noqa: SLF001, ASYNC110 - its length is that of a fetch
            await asyncio.sleep(0.001)
        clock.advance(5)
        assert await peer.received() == 4401


async def test_a_client_that_leaves_before_it_authenticates_is_told_as_a_disconnect(
    verifier: Verifier,
) -> None:
    peer = Peer(verifier)
    app = asyncio.create_task(peer.run())
    peer.leave()

    with pytest.raises(WebSocketDisconnect) as left:
        await app
    assert left.value.code == 1001


async def test_what_cannot_be_known_is_to_be_tried_again(
    verifier: Verifier, mint: Mint, issuer: Issuer
) -> None:
    issuer.stop()
    async with connected(verifier) as peer:
        peer.authenticate(mint.token())
        assert await peer.received() == 1013


async def test_demands_are_held_for_sockets_too(verifier: Verifier, mint: Mint) -> None:
    async with connected(verifier, Demands(roles=("root",))) as peer:
        peer.authenticate(mint.token())
        assert await peer.received() == 4401


async def test_the_socket_is_closed_when_the_token_expires(
    verifier: Verifier, mint: Mint, clock: ManualClock
) -> None:
    async with connected(verifier) as peer:
        await opened(peer, mint)
        await waits(clock, LIFETIME + 30, LIFETIME + 30)
        clock.advance(LIFETIME + 30)
        assert await peer.received() == 4401
    assert peer.ended_well


async def test_a_renewal_of_the_same_session_keeps_it_open(
    verifier: Verifier, mint: Mint, clock: ManualClock
) -> None:
    async with connected(verifier) as peer:
        await opened(peer, mint)
        clock.advance(600)
        peer.authenticate(mint.token())
        assert await peer.received() == {"type": "ready", "expires_at": mint.claims["exp"]}
        clock.advance(LIFETIME + 30 - 600)
        peer.send("still here")
        assert await peer.received() == "echo still here"
        await waits(clock, 600, 600)
        clock.advance(600)
        assert await peer.received() == 4401


@pytest.mark.parametrize(
    "change", [{"sid": '"another"'}, {"sub": '"another"'}, {"client_id": '"native"'}, {"exp": "1"}]
)
async def test_a_renewal_with_another_session_s_token_ends_the_connection(
    verifier: Verifier, mint: Mint, change: dict[str, str]
) -> None:
    async with connected(verifier) as peer:
        await opened(peer, mint)
        peer.authenticate(mint.claiming(**change))
        assert await peer.received() == 4401


@pytest.mark.parametrize("text", ["x" * 8193, "\u00e9" * 4097, '{"type":"authenticate"' + " " * 8192])
async def test_a_later_message_that_is_too_big_ends_the_connection(
    verifier: Verifier, mint: Mint, text: str
) -> None:
    async with connected(verifier) as peer:
        await opened(peer, mint)
        peer.send("x" * 8192)
        assert await peer.received() == f"echo {'x' * 8192}"
        peer.send(text)
        assert await peer.received() == 1009


async def test_a_later_binary_message_is_not_supported(verifier: Verifier, mint: Mint) -> None:
    async with connected(verifier) as peer:
        await opened(peer, mint)
        peer.send(data=b"x")
        assert await peer.received() == 1003


@pytest.mark.parametrize("busy", [False, True])
async def test_the_socket_is_closed_as_soon_as_its_session_ends(
    make: Make, mint: Mint, issuer: Issuer, busy: bool
) -> None:
    stream = Stream(issuer)
    verifier = make(revocation="feed", client=ClientCredentials("orders", "x"))
    await asyncio.to_thread(live, verifier, stream)
    async with connected(verifier, busy=busy) as peer:
        await opened(peer, mint)
        stream.event("session-revoked", {"sid": "another", "exp": int(mint.now()) + 960})
        stream.event("session-revoked", {"sid": mint.claims["sid"], "exp": int(mint.now()) + 960})
        assert await peer.received() == {"type": "session_revoked"}
        assert await peer.received() == 4401
    assert peer.ended_well
    assert not peer.is_cancelled
    stream.end()


async def test_a_cancellation_from_elsewhere_is_not_swallowed(verifier: Verifier, mint: Mint) -> None:
    peer = Peer(verifier, busy=True)
    app = asyncio.create_task(peer.run())
    await peer._from_app.get()  # noqa: SLF001 - its own class
    await opened(peer, mint)

    app.cancel()

    with pytest.raises(asyncio.CancelledError):
        await app
    assert not peer.ended_well


async def test_a_retired_key_closes_the_sockets_of_its_tokens(make: Make, mint: Mint, issuer: Issuer) -> None:
    issuer.behaviours[TOKEN] = body(b"{}")
    issuer.behaviours[FEED] = body(b"")
    verifier = make(revocation="feed", client=ClientCredentials("orders", "x"))
    async with connected(verifier) as peer:
        await opened(peer, mint)
        verifier._sources.keys.retire("one")  # noqa: SLF001 - as the feed does
        assert await peer.received() == {"type": "session_revoked"}
        assert await peer.received() == 4401
