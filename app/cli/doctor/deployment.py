"""Checks of a running deployment, which is asked from outside as browsers and verifiers ask it."""

import json
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import httpx2

from app.cli.doctor import cookies, cors, cross_site, discovery, errors, headers, health, keys, tls
from app.cli.doctor.client import Answer, DeploymentClient, NoAnswer, json_object
from app.cli.doctor.findings import Finding
from app.cli.doctor.sites import is_local
from app.domain.clock import Clock
from app.http.cookies import Cookies

_JSON = {"Content-Type": "application/json"}
_FORM = {"Content-Type": "application/x-www-form-urlencoded"}
_CREDENTIALS = {"email": "nobody@watchword.invalid", "password": "no password", "client": "browser"}
_LARGE_BODY = json.dumps(_CREDENTIALS | {"password": "x" * 20_480}).encode()
_FOREIGN = {"Origin": cors.ATTACKER}
_PREFLIGHT = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type"}


async def check_deployment(
    client: DeploymentClient, address: str, *, insecure: bool, expected_issuer: str | None, clock: Clock
) -> list[Finding]:
    """Return the findings of the deployment at an address, in the order of their subjects."""
    alive = await client.send("GET /livez")
    if isinstance(alive, NoAnswer):
        return [tls.unreachable(client.base, alive)]
    url = urlsplit(client.base)
    findings = [tls.check_certificate(client.base, _expiry(alive), insecure=insecure, now=clock())]
    if url.scheme == "https" and url.port in {None, 443}:
        host = url.netloc.removesuffix(":443")
        plain = DeploymentClient(f"http://{host}", client.http)
        findings.append(tls.check_plain_http(host, await plain.send("GET /livez")))
    findings += health.check_health(alive, await client.send("GET /readyz"))
    metadata = await client.send("GET /.well-known/openid-configuration")
    findings += discovery.check_metadata(metadata, address, expected_issuer)
    findings += keys.check_key_set(await client.send(f"GET {_jwks_uri(metadata)}"))
    findings += await _check_refusals(client)
    findings += cookies.check_logout(await client.send("POST /logout"), _cookies(metadata, client.base))
    public = url.scheme == "https" and not is_local(client.base)
    return [*findings, *headers.check_headers(client.responses, public=public)]


async def _check_refusals(client: DeploymentClient) -> list[Finding]:
    """Send requests that the service refuses before any work, so none of them counts as an attempt."""
    unknown_path = await client.send("GET /check-config", headers=_FOREIGN)
    wrong_method = await client.send("GET /login", headers=_FOREIGN)
    await client.send("OPTIONS /login", headers=_FOREIGN | _PREFLIGHT)
    foreign = [
        (request, response) for request, response in client.responses if "origin" in response.request.headers
    ]
    body = json.dumps(_CREDENTIALS).encode()
    login = await client.send("POST /login", headers=_JSON | {"Sec-Fetch-Site": "cross-site"}, content=body)
    form = await client.send("POST /login", headers=_FORM, content=b"email=nobody&password=none")
    large_body = await client.send("POST /login", headers=_JSON, content=_LARGE_BODY)
    return [
        errors.check_refusal(errors.UNKNOWN_PATH, unknown_path),
        errors.check_refusal(errors.WRONG_METHOD, wrong_method),
        errors.check_refusal(errors.FORM, form),
        errors.check_refusal(errors.LARGE_BODY, large_body),
        cross_site.check_cross_site(login),
        cors.check_cors(foreign),
    ]


def _jwks_uri(metadata: Answer) -> str:
    address: Any = (json_object(metadata) or {}).get("jwks_uri")
    is_url = isinstance(address, str) and address.startswith(("https://", "http://"))
    return str(address) if is_url else "/.well-known/jwks.json"


def _cookies(metadata: Answer, base: str) -> Cookies:
    issuer: Any = (json_object(metadata) or {}).get("issuer")
    if isinstance(issuer, str):
        with suppress(ValueError):
            return Cookies.of(issuer)
    return Cookies.of(base)


def _expiry(response: httpx2.Response) -> datetime | None:
    """Return when the certificate expires, or None if it was not verified."""
    stream = response.extensions.get("network_stream")
    connection = stream.get_extra_info("ssl_object") if stream is not None else None
    text = (connection.getpeercert() or {}).get("notAfter") if connection is not None else None
    return None if text is None else datetime.strptime(text, "%b %d %H:%M:%S %Y %Z").replace(tzinfo=UTC)
