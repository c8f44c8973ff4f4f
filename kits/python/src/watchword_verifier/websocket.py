"""WebSockets of Starlette and FastAPI: the token comes in the first message, never in the URL.

The client sends ``{"type": "authenticate", "access_token": "..."}``.
The answer is ``{"type": "ready", "expires_at": ...}``. A later message of the same form renews, with a token
of the same sign-in. The socket is closed with 4401 when the token expires or is revoked, also while the
application is busy.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from starlette.exceptions import WebSocketException
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from watchword_verifier.demands import Demands
from watchword_verifier.errors import Rejected, Unavailable
from watchword_verifier.identity import Identity
from watchword_verifier.verifier import Verifier

UNAUTHORIZED = 4401
TRY_AGAIN_LATER = 1013
TOO_BIG = 1009


class SignedInSocket:
    """A WebSocket whose client has authenticated. ``identity`` is that of the latest token."""

    def __init__(self, socket: WebSocket, verifier: Verifier, at_most: int, demands: Demands) -> None:
        self.socket = socket
        self.identity: Identity
        self._verifier = verifier
        self._at_most = at_most
        self._demands = demands

    @property
    def subject(self) -> str:
        """``sub`` of the token."""
        return self.identity.subject

    @property
    def roles(self) -> tuple[str, ...]:
        """``roles`` of the token."""
        return self.identity.roles

    async def messages(self) -> AsyncIterator[str]:
        """The text messages of the client, until it leaves. Renewals are dealt with, and not among them.

        A binary message ends the connection (1003), and so does one of more than ``at_most`` bytes (1009).
        Without this iteration no renewal is read.
        """
        while True:
            message = await self.socket.receive()
            if message["type"] == "websocket.disconnect":
                return
            text = message.get("text")
            if text is None:
                await self._close(1003)
                return
            if len(text.encode()) > self._at_most:
                await self._close(TOO_BIG)
                return
            if (token := _token_in(text)) is None:
                yield text
            elif not await self._renew(token):
                return

    async def authenticate(self, within: float) -> None:
        """Wait for the first message, and accept its token.

        Raises:
            WebSocketException: It did not come in time, or was not acceptable.
            WebSocketDisconnect: The client has left.
        """
        try:
            async with self._verifier.clock.timeout(within):
                message = await self.socket.receive()
        except TimeoutError:
            raise WebSocketException(UNAUTHORIZED) from None
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(message.get("code", 1006))
        text = message.get("text") or ""
        if max(len(text.encode()), len(message.get("bytes") or b"")) > self._at_most:
            raise WebSocketException(TOO_BIG)
        if (token := _token_in(text)) is None:
            raise WebSocketException(UNAUTHORIZED)
        code = await self._accept(token)
        if code is not None:
            raise WebSocketException(code)

    async def watch(self) -> None:
        """Return when the token has expired or was revoked. The client knows, and the socket is closed."""
        changed, loop = asyncio.Event(), asyncio.get_running_loop()

        def wake() -> None:
            with suppress(RuntimeError):  # The loop has been closed meanwhile.
                loop.call_soon_threadsafe(changed.set)

        clock, leeway = self._verifier.clock, self._verifier.options.leeway
        with self._verifier.subscribed(wake):
            while self._verifier.still_valid(self.identity):
                changed.clear()
                left = self.identity.expires_at + leeway - clock.wall()
                with suppress(TimeoutError):
                    async with clock.timeout(left):
                        await changed.wait()
        if clock.wall() < self.identity.expires_at + leeway:
            await self._send({"type": "session_revoked"})
        await self._close(UNAUTHORIZED)

    async def _renew(self, token: str) -> bool:
        """Whether the new token took the place of the one before; else the socket was closed."""
        code = await self._accept(token, self.identity)
        if code is not None:
            await self._close(code)
        return code is None

    async def _accept(self, token: str, earlier: Identity | None = None) -> int | None:
        """Take the identity of this token, or return the code to close with."""
        try:
            identity = await self._verifier.verify(token)
            self._demands.check(identity, now=self._verifier.clock.wall())
        except Unavailable:
            return TRY_AGAIN_LATER
        except Rejected:
            return UNAUTHORIZED
        if earlier is not None and not identity.continues(earlier):
            return UNAUTHORIZED
        self.identity = identity
        await self._send({"type": "ready", "expires_at": identity.expires_at})
        return None

    async def _send(self, message: dict[str, object]) -> None:
        with suppress(WebSocketDisconnect, RuntimeError):  # The client has left, or the socket is closed.
            await self.socket.send_text(json.dumps(message))

    async def _close(self, code: int) -> None:
        if self.socket.application_state is not WebSocketState.DISCONNECTED:
            with suppress(WebSocketDisconnect, RuntimeError):
                await self.socket.close(code)


@asynccontextmanager
async def first_message(
    socket: WebSocket,
    verifier: Verifier,
    *,
    within: float = 5,
    at_most: int = 8192,
    demands: Demands | None = None,
) -> AsyncIterator[SignedInSocket]:
    """A signed-in socket, whose client has sent a valid token within so many seconds.

    ``at_most`` are the bytes of a message, of the first one and of those that follow.

    The body is cancelled, and the context left as usual, when the token expires or is revoked.

    Raises:
        WebSocketException: The client did not authenticate. Starlette closes the socket with its code.
        WebSocketDisconnect: The client has left.
    """
    if socket.application_state is WebSocketState.CONNECTING:
        await socket.accept()
    signed_in = SignedInSocket(socket, verifier, at_most, demands or Demands())
    await signed_in.authenticate(within)
    body, ended, left = asyncio.current_task(), False, False

    def end(watch: asyncio.Task[None]) -> None:
        nonlocal ended
        if body is not None and not left and not watch.cancelled():
            ended = True
            body.cancel()

    watch = asyncio.create_task(signed_in.watch())
    watch.add_done_callback(end)
    try:
        yield signed_in
    except asyncio.CancelledError:
        # As `asyncio.timeout` does: only the cancellation from here is taken back.
        if not ended or body is None or body.uncancel() > 0:
            raise
    finally:
        left = True
        watch.cancel()
        await asyncio.gather(watch, return_exceptions=True)


def _token_in(text: str) -> str | None:
    """The token of an authenticate message, or None for any other message."""
    if '"authenticate"' not in text:
        return None
    try:
        message = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(message, dict) or message.get("type") != "authenticate":
        return None
    token = message.get("access_token")
    return token if isinstance(token, str) else ""
