"""The ASGI application: routes, exception handlers and middleware."""

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from functools import cache
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from app.domain.refusals import Refused, Unavailable
from app.http import accounts, discovery, health, keys, openapi, passwords, problems, sessions
from app.http.cookies import Cookies
from app.http.middleware.cors import Cors
from app.http.middleware.head import HeadAsGet
from app.http.middleware.last_resort import LastResort
from app.http.middleware.limits import RequestLimits
from app.http.middleware.login_queue import LoginsInTurn
from app.http.middleware.request_log import RequestLog
from app.http.middleware.root_path import RootPath
from app.http.middleware.security_headers import SecurityHeaders
from app.http.origins import Origins
from app.http.routing import Routes
from app.services.outages import log_outage

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


def core_routes(issuer: str) -> tuple[Routes[Any], ...]:
    """The routes of the core, in the order of the OpenAPI document."""
    return (
        sessions.route,
        passwords.route,
        accounts.route,
        keys.route,
        discovery.routes(issuer),
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
) -> FastAPI:
    """The application of these routes, each module with its own record among ``cases``.

    Raises LookupError when a record is missing.
    """
    app = FastAPI(
        title="Watchword",
        version=version,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    cookies = Cookies.of(issuer)
    records = {type(record): record for record in cases}
    for module in routes:
        if module.cases not in records:
            raise LookupError(f"the routes of {module.cases.__module__} need {module.cases.__name__}")
        app.include_router(module.router(records[module.cases], origins, cookies))
    document = cache(lambda: openapi.document(routes, issuer=issuer, version=version))
    app.openapi = document  # type: ignore[method-assign] # FastAPI's way to serve one's own document
    app.add_exception_handler(Refused, _refused)
    app.add_exception_handler(HTTPException, _failed)
    # The last one added is the outermost.
    app.add_middleware(RequestLimits)
    app.add_middleware(LastResort)
    # Around all that answers, so that pages of allowed origins can read every error.
    app.add_middleware(Cors, origins=origins)
    app.add_middleware(LoginsInTurn, routes=_in_turn(routes))
    app.add_middleware(RequestLog, quiet=frozenset() if options.log_probes else health.PROBES)
    app.add_middleware(SecurityHeaders, hsts=options.hsts if _is_public(issuer) else None)
    app.add_middleware(HeadAsGet)
    app.add_middleware(RootPath, root_path=options.root_path)
    return app


def _in_turn(modules: Sequence[Routes[Any]]) -> frozenset[tuple[str, str]]:
    routes = (route for module in modules for route in module.routes)
    return frozenset((route.method, route.path) for route in routes if route.policy.takes_turn)


def _is_public(issuer: str) -> bool:
    """Whether browsers may insist on https: not for localhost, which other services of the machine share."""
    url = urlsplit(issuer)
    return url.scheme == "https" and url.hostname != "localhost"


async def _refused(_: Request, error: Exception) -> Response:
    assert isinstance(error, Refused)  # noqa: S101 - it is registered for nothing else
    if isinstance(error, Unavailable):
        log_outage(error)
    return problems.refused(error, error.errors if isinstance(error, problems.InvalidRequest) else ())


async def _failed(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - it is registered for nothing else
    headers = dict(error.headers or {})
    if headers.get("Allow") == "GET":
        headers["Allow"] = "GET, HEAD"
    return problems.failed(HTTPStatus(error.status_code), headers)
