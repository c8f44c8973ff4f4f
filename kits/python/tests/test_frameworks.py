"""FastAPI, Flask and Django give the same answers, with a real verifier behind them."""

import json

import httpx2
import pytest
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.core.wsgi import get_wsgi_application
from fastapi import Depends, FastAPI

from conformance.issuer import Issuer
from conformance.minting import Mint
from testing.clock import ManualClock
from testing.frameworks import CURRENT, FRAMEWORKS, Get, set_up_django, through, through_wsgi
from watchword_verifier import Verifier
from watchword_verifier.django import verifier as project_verifier
from watchword_verifier.fastapi import Bearer as FastAPIBearer


@pytest.fixture(params=FRAMEWORKS)
def get(request: pytest.FixtureRequest, verifier: Verifier) -> Get:
    CURRENT.append(verifier)
    return FRAMEWORKS[request.param](verifier)


def test_a_good_token_is_let_in(get: Get, mint: Mint) -> None:
    answer = get("/orders", f"Bearer {mint.token()}")

    assert (answer.status, answer.body) == (200, {"for": mint.claims["sub"]})


def test_a_request_without_a_token_is_told_the_scheme(get: Get) -> None:
    for tokens in ([], ["Basic YTpi"]):
        answer = get("/orders", *tokens)

        assert answer.status == 401
        assert answer.headers["WWW-Authenticate"] == "Bearer"
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.body == {"detail": "An access token is required."}


def test_a_token_that_is_not_valid_is_refused(get: Get, mint: Mint) -> None:
    answer = get("/orders", f"Bearer {mint.claiming(exp='1')}")

    assert answer.status == 401
    assert answer.headers["WWW-Authenticate"].startswith('Bearer error="invalid_token"')


def test_two_tokens_are_a_bad_request(get: Get, mint: Mint) -> None:
    answer = get("/orders", f"Bearer {mint.token()}", f"Bearer {mint.token()}")

    assert answer.status == 400
    assert answer.headers["WWW-Authenticate"].startswith('Bearer error="invalid_request"')


@pytest.mark.parametrize("roles", ["[]", '["admin"]', '["admins","editor"]', None])
def test_every_role_is_demanded(get: Get, mint: Mint, roles: str | None) -> None:
    answer = get("/admin", f"Bearer {mint.claiming(roles=roles)}")

    assert answer.status == 403
    assert answer.headers["WWW-Authenticate"].startswith('Bearer error="insufficient_scope"')
    assert get("/admin", f"Bearer {mint.token()}").status == 200


def test_a_scope_is_demanded_by_its_name(get: Get, mint: Mint) -> None:
    other, right = (mint.claiming(scope=json.dumps(scope)) for scope in ("orders", "a orders:read"))
    answer = get("/scoped", f"Bearer {other}")

    assert answer.status == 403
    assert 'scope="orders:read"' in answer.headers["WWW-Authenticate"]
    assert get("/scoped", f"Bearer {right}").status == 200


def test_a_recent_sign_in_is_demanded_to_the_second(get: Get, mint: Mint, clock: ManualClock) -> None:
    now = int(clock.wall())
    assert get("/admin", f"Bearer {mint.claiming(auth_time=str(now - 300))}").status == 200
    answer = get("/admin", f"Bearer {mint.claiming(auth_time=str(now - 301))}")
    assert answer.status == 401
    assert 'error="insufficient_user_authentication"' in answer.headers["WWW-Authenticate"]
    assert 'max_age="300"' in answer.headers["WWW-Authenticate"]
    assert get("/admin", f"Bearer {mint.claiming(auth_time=None)}").status == 401


def test_what_cannot_be_known_is_503_and_signs_no_browser_out(get: Get, mint: Mint, issuer: Issuer) -> None:
    issuer.stop()
    answer = get("/orders", f"Bearer {mint.token()}")

    assert answer.status == 503
    assert answer.headers["Retry-After"] == "1"
    assert "WWW-Authenticate" not in answer.headers


def test_fastapi_describes_the_scheme_in_its_document(verifier: Verifier) -> None:
    app, signed_in = FastAPI(), FastAPIBearer(verifier)

    @app.get("/", dependencies=[Depends(signed_in), Depends(signed_in.with_roles("admin"))])
    async def home() -> None: ...

    document = app.openapi()
    assert document["paths"]["/"]["get"]["security"] == [{"Bearer": []}]
    scheme = document["components"]["securitySchemes"]["Bearer"]
    assert (scheme["type"], scheme["scheme"], scheme["bearerFormat"]) == ("http", "bearer", "JWT")


async def test_the_lifespan_starts_in_the_background_and_stops_at_the_end(
    verifier: Verifier, mint: Mint, issuer: Issuer
) -> None:
    issuer.stop()
    async with verifier.lifespan(None):
        assert not verifier.health().has_keys
    issuer.start()

    # A verifier that was closed starts anew when it is used.
    assert (await verifier.verify(mint.token())).subject == mint.claims["sub"]


class TestDjangoMiddleware:
    @pytest.fixture(params=["plain", "async"])
    def get(self, request: pytest.FixtureRequest, verifier: Verifier, monkeypatch: pytest.MonkeyPatch) -> Get:
        set_up_django()
        monkeypatch.setattr(settings, "WATCHWORD_VERIFIER", verifier, raising=False)
        monkeypatch.setattr(settings, "MIDDLEWARE", ["watchword_verifier.django.BearerMiddleware"])
        project_verifier.cache_clear()
        if request.param == "plain":
            return through_wsgi(get_wsgi_application())
        return through(lambda: httpx2.ASGITransport(get_asgi_application()))

    def test_it_sets_the_identity_or_none(self, get: Get, mint: Mint) -> None:
        assert get("/open", f"Bearer {mint.token()}").body == {"for": mint.claims["sub"]}
        assert get("/open").body == {"for": None}

    def test_it_refuses_a_token_that_is_not_valid(self, get: Get, mint: Mint) -> None:
        answer = get("/open", f"Bearer {mint.claiming(exp='1')}")

        assert answer.status == 401
        assert answer.headers["WWW-Authenticate"].startswith('Bearer error="invalid_token"')
