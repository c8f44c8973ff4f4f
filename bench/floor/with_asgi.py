"""The floor without a framework: an ASGI application that finds the handler by a dictionary."""

from collections.abc import Awaitable, Callable
from typing import Any

import orjson
from starlette.types import ASGIApp, Receive, Scope, Send

from bench.floor.work import Unauthorized, Work

_Answer = tuple[int, list[tuple[bytes, bytes]], bytes]
_Handler = Callable[[dict[bytes, bytes], bytes], Awaitable[_Answer]]
_NO_STORE = [(b"content-type", b"application/json"), (b"cache-control", b"no-store")]


def application(work: Work) -> ASGIApp:
    """Return the application."""

    async def login(_: dict[bytes, bytes], body: bytes) -> _Answer:
        credentials = orjson.loads(body)
        return 200, _NO_STORE, await work.login(credentials["email"], credentials["password"])

    async def refresh(_: dict[bytes, bytes], body: bytes) -> _Answer:
        return 200, _NO_STORE, await work.refresh(orjson.loads(body)["refresh_token"])

    async def logout(headers: dict[bytes, bytes], body: bytes) -> _Answer:
        if body:
            await work.logout(orjson.loads(body)["refresh_token"])
        else:
            await work.logout_by_bearer(_bearer(headers))
        return 204, _NO_STORE[1:], b""

    async def me(headers: dict[bytes, bytes], _: bytes) -> _Answer:
        return 200, _NO_STORE, await work.me(_bearer(headers))

    async def me_postgres_alone(headers: dict[bytes, bytes], _: bytes) -> _Answer:
        return 200, _NO_STORE, await work.me(_bearer(headers), asks_redis=False)

    public = [
        (b"etag", work.etag.encode()),
        (b"cache-control", b"public, max-age=300"),
        (b"content-type", b"application/jwk-set+json"),
    ]

    async def key_set(headers: dict[bytes, bytes], _: bytes) -> _Answer:
        if headers.get(b"if-none-match") == public[0][1]:
            return 304, public[:2], b""
        return 200, public, work.key_set

    return _Application(
        {
            ("POST", "/login"): login,
            ("POST", "/refresh"): refresh,
            ("POST", "/logout"): logout,
            ("GET", "/me"): me,
            ("GET", "/me/postgres-alone"): me_postgres_alone,
            ("GET", "/.well-known/jwks.json"): key_set,
        }
    )


class _Application:
    def __init__(self, handlers: dict[tuple[str, str], _Handler]) -> None:
        self._handlers = handlers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        handler = self._handlers[scope["method"], scope["path"]]
        try:
            status, headers, body = await handler(dict(scope["headers"]), await _body(receive))
        except Unauthorized:
            status, headers, body = 401, [], b""
        if status not in {204, 304}:
            headers = [*headers, (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})


async def _body(receive: Receive) -> bytes:
    message: dict[str, Any] = {"more_body": True}
    body = b""
    while message["more_body"]:
        message = dict(await receive())
        body += message["body"]
    return body


def _bearer(headers: dict[bytes, bytes]) -> str:
    return headers.get(b"authorization", b"").removeprefix(b"Bearer ").decode()
