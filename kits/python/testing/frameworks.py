"""The same small service in FastAPI, Flask and Django."""

import asyncio
import json
from collections.abc import Callable
from typing import Annotated, Any, NamedTuple, TypeAlias

import django
import flask
import httpx2
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, JsonResponse
from django.urls import path
from fastapi import Depends, FastAPI

from watchword_verifier import Identity, Verifier
from watchword_verifier.django import Bearer as DjangoBearer
from watchword_verifier.fastapi import Bearer as FastAPIBearer
from watchword_verifier.flask import Bearer as FlaskBearer


class Answer(NamedTuple):
    status: int
    body: Any
    headers: httpx2.Headers


Get: TypeAlias = Callable[..., Answer]
CURRENT: list[Verifier] = []
"""The verifier of the running test: Django's settings are for a whole process."""


def of_fastapi(verifier: Verifier) -> Get:
    app = FastAPI(lifespan=verifier.lifespan)
    signed_in = FastAPIBearer(verifier)

    @app.get("/orders")
    async def orders(who: Annotated[Identity, Depends(signed_in)]) -> Any:
        return {"for": who.subject}

    @app.get("/admin")
    async def admin(
        who: Annotated[Identity, Depends(signed_in.with_roles("admin", "editor", fresh="5m"))],
    ) -> Any:
        return {"for": who.subject}

    @app.get("/scoped")
    async def scoped(who: Annotated[Identity, Depends(signed_in.with_scopes("orders:read"))]) -> Any:
        return {"for": who.subject}

    return through(lambda: httpx2.ASGITransport(app))


def through(transport: Callable[[], httpx2.AsyncBaseTransport]) -> Get:
    def get(where: str, *tokens: str) -> Answer:
        async def ask() -> httpx2.Response:
            async with httpx2.AsyncClient(transport=transport(), base_url="http://orders") as client:
                return await client.get(where, headers=[("Authorization", token) for token in tokens])

        return _answer(asyncio.run(ask()))

    return get


def through_wsgi(app: Any) -> Get:
    def get(where: str, *tokens: str) -> Answer:
        # As WSGI servers do with repeated headers; this transport would drop one.
        headers = {"Authorization": ",".join(tokens)} if tokens else {}
        with httpx2.Client(transport=httpx2.WSGITransport(app), base_url="http://orders") as client:
            return _answer(client.get(where, headers=headers))

    return get


def _answer(response: httpx2.Response) -> Answer:
    return Answer(response.status_code, json.loads(response.content or "null"), response.headers)


def of_flask(verifier: Verifier) -> Get:
    app = flask.Flask("orders")
    signed_in = FlaskBearer(verifier)

    @app.get("/orders")
    @signed_in
    def orders() -> Any:
        return {"for": flask.g.identity.subject}

    @app.get("/admin")
    @signed_in.with_roles("admin", "editor", fresh="5m")
    def admin() -> Any:
        return {"for": flask.g.identity.subject}

    @app.get("/scoped")
    @signed_in.with_scopes("orders:read")
    def scoped() -> Any:
        return {"for": flask.g.identity.subject}

    return through_wsgi(app)


class Current:
    """Stands in for the verifier of a Django project; it is another one in each test."""

    def __getattr__(self, name: str) -> Any:
        return getattr(CURRENT[-1], name)


DJANGO = DjangoBearer(Current())  # type: ignore[arg-type] # It behaves as one.


def _view(request: HttpRequest) -> Any:
    return JsonResponse({"for": request.identity.subject})


async def _async_view(request: HttpRequest) -> Any:
    return JsonResponse({"for": request.identity.subject})


def _open(request: HttpRequest) -> Any:
    return JsonResponse({"for": request.identity and request.identity.subject})


urlpatterns = [
    path("orders", DJANGO(_view)),
    path("admin", DJANGO.with_roles("admin", "editor", fresh="5m")(_view)),
    path("scoped", DJANGO.with_scopes("orders:read")(_view)),
    path("async/orders", DJANGO(_async_view)),
    path("async/admin", DJANGO.with_roles("admin", "editor", fresh="5m")(_async_view)),
    path("async/scoped", DJANGO.with_scopes("orders:read")(_async_view)),
    path("open", _open),
]


def set_up_django() -> None:
    if not settings.configured:
        settings.configure(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["orders"], SECRET_KEY="x", MIDDLEWARE=[])
        django.setup()


def of_django(_verifier: Verifier) -> Get:
    set_up_django()
    return through_wsgi(get_wsgi_application())


def of_async_django(_verifier: Verifier) -> Get:
    set_up_django()
    ask = through(lambda: httpx2.ASGITransport(get_asgi_application()))
    return lambda where, *tokens: ask(f"/async{where}", *tokens)


FRAMEWORKS = {
    "fastapi": of_fastapi,
    "flask": of_flask,
    "django": of_django,
    "async django": of_async_django,
}
