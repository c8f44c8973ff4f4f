"""A running deployment, asked from outside as browsers and verifiers ask it."""

import json
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

import httpx

from app.cli.doctor import arrivals, published, refusals
from app.cli.doctor.asking import Asker, Silence
from app.cli.doctor.findings import Finding
from app.cli.doctor.sites import is_local
from app.domain.clock import Clock

_JSON = {"Content-Type": "application/json"}
_FORM = {"Content-Type": "application/x-www-form-urlencoded"}
_CREDENTIALS = {"email": "nobody@watchword.invalid", "password": "no password", "client": "browser"}
_TOO_LARGE = json.dumps(_CREDENTIALS | {"password": "x" * 20_480}).encode()
_FOREIGN = {"Origin": refusals.ATTACKER}
_PREFLIGHT = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type"}


async def looked_at(ask: Asker, *, insecure: bool, expected: str | None, clock: Clock) -> list[Finding]:
    """The findings of a deployment; ``expected`` is its issuer, where that is known."""
    alive = await ask("GET /livez")
    if isinstance(alive, Silence):
        return [arrivals.unreachable(ask.base, alive)]
    url = urlsplit(ask.base)
    found = [arrivals.encryption(ask.base, _ends(alive), insecure=insecure, now=clock())]
    if url.scheme == "https" and url.port in {None, 443}:
        host = url.netloc.removesuffix(":443")
        found.append(arrivals.plain_http(host, await Asker(f"http://{host}", ask.client)("GET /livez")))
    found += published.health(alive, await ask("GET /readyz"))
    metadata = await ask("GET /.well-known/openid-configuration")
    found += published.metadata(metadata, ask.base, expected)
    found += published.key_set(await ask(f"GET {_jwks_uri(metadata)}"))
    found += await _refusals(ask)
    found += arrivals.cookie(await ask("POST /logout"))
    public = url.scheme == "https" and not is_local(ask.base)
    return [*found, *arrivals.headers(ask.heard, public=public)]


async def _refusals(ask: Asker) -> list[Finding]:
    """What the service refuses before any work, so that nothing is tried and nothing is counted."""
    unknown = await ask("GET /check-config", headers=_FOREIGN)
    method = await ask("GET /login", headers=_FOREIGN)
    await ask("OPTIONS /login", headers=_FOREIGN | _PREFLIGHT)
    foreign = [(asked, answer) for asked, answer in ask.heard if "origin" in answer.request.headers]
    body = json.dumps(_CREDENTIALS).encode()
    cross_site = await ask("POST /login", headers=_JSON | {"Sec-Fetch-Site": "cross-site"}, content=body)
    form = await ask("POST /login", headers=_FORM, content=b"email=nobody&password=none")
    large = await ask("POST /login", headers=_JSON, content=_TOO_LARGE)
    no_problem = "what answers is not the service, or something in front of it answers in its place"
    return [
        refusals.refusal(
            "errors", "An unknown path", unknown, (HTTPStatus.NOT_FOUND, "not_found"), no_problem
        ),
        refusals.refusal(
            "errors",
            "GET /login",
            method,
            (HTTPStatus.METHOD_NOT_ALLOWED, "method_not_allowed"),
            no_problem,
        ),
        refusals.refusal(
            "errors",
            "A login by a form",
            form,
            (HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type"),
            "a form on any site can sign its visitor in as somebody else; let the proxy pass Content-Type on",
        ),
        refusals.refusal(
            "errors",
            "A body of 20 KiB",
            large,
            (HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "payload_too_large"),
            "something changes the body on the way, or takes it whatever its size",
        ),
        refusals.refusal(
            "cross-site",
            "A login from a page of another site",
            cross_site,
            (HTTPStatus.FORBIDDEN, "cross_site_request"),
            "Sec-Fetch-Site is lost on the way, by which the service knows such pages; let the proxy pass it "
            "on",
        ),
        refusals.cors(foreign),
    ]


def _jwks_uri(metadata: published.Heard) -> str:
    told: Any = (published.document(metadata) or {}).get("jwks_uri")
    is_address = isinstance(told, str) and told.startswith(("https://", "http://"))
    return str(told) if is_address else "/.well-known/jwks.json"


def _ends(answer: httpx.Response) -> datetime | None:
    """When the certificate ends, as far as it was checked."""
    stream = answer.extensions.get("network_stream")
    tls = stream.get_extra_info("ssl_object") if stream is not None else None
    ends = (tls.getpeercert() or {}).get("notAfter") if tls is not None else None
    return None if ends is None else datetime.strptime(ends, "%b %d %H:%M:%S %Y %Z").replace(tzinfo=UTC)
