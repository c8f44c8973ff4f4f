"""The ASGI application: FastAPI with all routes, behind the front."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from functools import cache
from http import HTTPStatus
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from app.http import accounts, discovery, forward_auth, health, keys, openapi, passwords, problems, sessions
from app.http.cookies import Cookies
from app.http.front import ANY, Answerer, Endpoint, Front, Rules, Socket
from app.http.front.cors import Cors
from app.http.front.incoming import INCOMING, Incoming
from app.http.front.login_queue import LoginQueue
from app.http.front.request_log import RequestLog
from app.http.front.security_headers import security_headers
from app.http.origins import Origins
from app.http.routing import Route, Routes

Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]


@dataclass(frozen=True, slots=True)
class Options:
    """What the operator chooses for all routes.

    ``hsts`` is sent where the issuer is public. The routes are also served below ``root_path``. Without
    ``log_probes``, successful requests of orchestrators and load balancers are not logged.
    """

    hsts: str | None = None
    root_path: str = ""
    log_probes: bool = False


_DEFAULTS = Options()


class Application(FastAPI):
    """FastAPI behind the front, which answers most requests itself."""

    front: Front

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        await self.front(scope, receive, send)


def core_routes(issuer: str, metadata: Mapping[str, Any] = MappingProxyType({})) -> tuple[Routes[Any], ...]:
    """The routes of the core, in the order of the OpenAPI document; ``metadata`` is what features add."""
    return (
        sessions.route,
        passwords.route,
        accounts.route,
        forward_auth.route,
        keys.route,
        discovery.routes(issuer, metadata),
        health.route,
    )


def build(
    routes: Sequence[Routes[Any]],
    cases: Sequence[object],
    origins: Origins,
    lifespan: Lifespan | None = None,
    *,
    issuer: str,
    version: str,
    options: Options = _DEFAULTS,
    sockets: Mapping[str, Socket] = MappingProxyType({}),
) -> Application:
    """The application of these routes, each module with its own record among ``cases``.

    Raises LookupError when a record is missing.
    """
    app = Application(
        title="Watchword",
        version=version,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    endpoints: dict[tuple[str, str], Endpoint] = {}
    for route, answer in _answerers(routes, cases, origins, Cookies.of(issuer)):
        _add_to_framework(app, route, answer)
        if "{" not in route.path:
            endpoints[route.method, route.path] = Endpoint(route.path, answer)
        if route.policy.forwarded:
            endpoints[ANY, route.path] = Endpoint(route.path, answer)
    document = cache(lambda: openapi.document(routes, issuer=issuer, version=version))
    app.openapi = document  # type: ignore[method-assign] # FastAPI's way to serve one's own document
    app.add_exception_handler(HTTPException, _failed)
    # The front logs what failed, and which clients have gone. FastAPI has an answer of its own for both.
    app.add_exception_handler(Exception, _unhandled)
    app.add_exception_handler(ClientDisconnect, _unanswered)  # type: ignore[arg-type] # Starlette sends no None
    rules = Rules(
        Cors(origins),
        LoginQueue(_in_turn(routes)),
        RequestLog(frozenset() if options.log_probes else health.PROBES),
        security_headers(options.hsts if _is_public(issuer) else None),
        options.root_path,
    )
    app.front = Front(super(Application, app).__call__, endpoints, rules, sockets)
    return app


def _answerers(
    modules: Sequence[Routes[Any]], cases: Sequence[object], origins: Origins, cookies: Cookies
) -> Iterator[tuple[Route[Any, Any], Answerer]]:
    records = {type(record): record for record in cases}
    for module in modules:
        if module.cases not in records:
            raise LookupError(f"the routes of {module.cases.__module__} need {module.cases.__name__}")
        yield from module.answerers(records[module.cases], origins, cookies)


def _add_to_framework(app: FastAPI, route: Route[Any, Any], answer: Answerer) -> None:
    async def endpoint(request: Request) -> Response:
        incoming: Incoming = request.scope[INCOMING]
        incoming.path_params = request.path_params
        return await answer(incoming)

    app.add_api_route(
        route.path, endpoint, methods=[route.method], response_model=None, include_in_schema=False
    )


def _in_turn(modules: Sequence[Routes[Any]]) -> frozenset[tuple[str, str]]:
    routes = (route for module in modules for route in module.routes)
    return frozenset((route.method, route.path) for route in routes if route.policy.takes_turn)


def _is_public(issuer: str) -> bool:
    """Whether browsers may insist on https: not for localhost, which other services of the machine share."""
    url = urlsplit(issuer)
    return url.scheme == "https" and url.hostname != "localhost"


async def _failed(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - it is registered for nothing else
    headers = dict(error.headers or {})
    if headers.get("Allow") == "GET":
        headers["Allow"] = "GET, HEAD"
    return problems.failed(HTTPStatus(error.status_code), headers)


async def _unhandled(_: Request, __: Exception) -> Response:
    return problems.failed(HTTPStatus.INTERNAL_SERVER_ERROR)


async def _unanswered(_: Request, __: Exception) -> None:
    return None
