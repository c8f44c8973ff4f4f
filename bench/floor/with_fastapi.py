"""The floor with the framework: FastAPI routes as its documentation shows them, around the unavoidable."""

from typing import Annotated

from fastapi import Depends, FastAPI, Header, Request, Response
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel

from bench.floor.work import Unauthorized, Work

_JSON, _NO_STORE = "application/json", {"Cache-Control": "no-store"}


class Credentials(BaseModel):
    """The body of a login."""

    email: str
    password: str
    client: str


class Presented(BaseModel):
    """The body of a refresh and of a logout."""

    refresh_token: str


_Required = Annotated[HTTPAuthorizationCredentials, Depends(HTTPBearer())]
_Optional = Annotated[HTTPAuthorizationCredentials | None, Depends(HTTPBearer(auto_error=False))]


def application(work: Work) -> FastAPI:
    """Return the application; its handlers call the work and answer bytes."""
    app = FastAPI(openapi_url=None)

    @app.exception_handler(Unauthorized)
    async def unauthorized(_: Request, __: Exception) -> Response:
        return Response(status_code=401)

    _sessions(app, work)
    _account_and_keys(app, work)
    return app


def _sessions(app: FastAPI, work: Work) -> None:
    @app.post("/login")
    async def login(body: Credentials) -> Response:
        return Response(await work.login(body.email, body.password), headers=_NO_STORE, media_type=_JSON)

    @app.post("/refresh")
    async def refresh(body: Presented) -> Response:
        return Response(await work.refresh(body.refresh_token), headers=_NO_STORE, media_type=_JSON)

    @app.post("/logout")
    async def logout(bearer: _Optional, body: Presented | None = None) -> Response:
        if body is not None:
            await work.logout(body.refresh_token)
        elif bearer is not None:
            await work.logout_by_bearer(bearer.credentials)
        return Response(status_code=204, headers=_NO_STORE)


def _account_and_keys(app: FastAPI, work: Work) -> None:
    @app.get("/me")
    async def me(bearer: _Required) -> Response:
        return Response(await work.me(bearer.credentials), headers=_NO_STORE, media_type=_JSON)

    @app.get("/me/postgres-alone")
    async def me_postgres_alone(bearer: _Required) -> Response:
        account = await work.me(bearer.credentials, asks_redis=False)
        return Response(account, headers=_NO_STORE, media_type=_JSON)

    @app.get("/.well-known/jwks.json")
    async def key_set(if_none_match: Annotated[str | None, Header()] = None) -> Response:
        headers = {"ETag": work.etag, "Cache-Control": "public, max-age=300"}
        if if_none_match == work.etag:
            return Response(status_code=304, headers=headers)
        return Response(work.key_set, headers=headers, media_type="application/jwk-set+json")
