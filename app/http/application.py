"""The ASGI application: routes, handlers and middleware."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from fastapi import APIRouter, FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from app.domain.refusals import Refused
from app.http import accounts, discovery, health, keys, own_sessions, passwords, problems, sessions
from app.http.middleware.cors import Cors
from app.http.middleware.head import HeadAsGet
from app.http.middleware.limits import RequestLimits
from app.http.middleware.login_queue import LoginsInTurn
from app.http.middleware.request_log import RequestLog
from app.http.middleware.security_headers import SecurityHeaders
from app.http.openapi import DocumentedApp
from app.http.origins import Origins
from app.http.schemas import InvalidBody

Router = APIRouter
Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[Mapping[str, Any]]]


def build(
    lifespan: Lifespan, origins: Origins, *, issuer: str, version: str, features: Sequence[Router] = ()
) -> FastAPI:
    """The application with the routes of these features; ``lifespan`` yields the use cases."""
    app = DocumentedApp(
        title="Watchword",
        version=version,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    routers = (
        sessions.router,
        own_sessions.router,
        passwords.router,
        accounts.router,
        keys.router,
        discovery.router(issuer),
        health.router,
        *features,
    )
    for router in routers:
        app.include_router(router)
    app.add_exception_handler(Refused, _refused)
    app.add_exception_handler(HTTPException, _failed)
    # The last one added is the outermost.
    app.add_middleware(RequestLimits)
    app.add_middleware(Cors, origins=origins.allowed)
    app.add_middleware(LoginsInTurn)
    app.add_middleware(RequestLog)
    app.add_middleware(SecurityHeaders, https=_is_public(issuer))
    app.add_middleware(HeadAsGet)
    return app


def _is_public(issuer: str) -> bool:
    """Whether browsers should insist on https: not for a name that other services on this machine share."""
    url = urlsplit(issuer)
    return url.scheme == "https" and url.hostname != "localhost"


async def _refused(_: Request, error: Exception) -> Response:
    assert isinstance(error, Refused)  # noqa: S101 - it is registered for nothing else
    return problems.refused(error, error.errors if isinstance(error, InvalidBody) else ())


async def _failed(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - it is registered for nothing else
    headers = dict(error.headers or {})
    if headers.get("Allow") == "GET":
        headers["Allow"] = "GET, HEAD"
    return problems.failed(HTTPStatus(error.status_code), headers)
