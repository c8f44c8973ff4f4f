"""What a deployment publishes: health, metadata and keys, as verifiers and load balancers read them."""

import re
from collections.abc import Iterator
from typing import Any

import httpx

from app.cli.doctor.asking import Silence
from app.cli.doctor.findings import Finding, note, ok, problem, warning

_PUBLIC = ("kty", "use", "alg", "kid")
# RFC 7518 sections 6.2.2, 6.3.2 and 6.4.1; RFC 8037 section 2.
_SECRET = {"d", "p", "q", "dp", "dq", "qi", "oth", "k"}
_MAX_AGE = re.compile(r"\bmax-age=([0-9]+)")
_LEAST_KEYS = 2

Heard = httpx.Response | Silence


def document(answer: Heard) -> dict[str, Any] | None:
    """The JSON object of an answer, whatever its status; None when it is none."""
    if isinstance(answer, Silence):
        return None
    try:
        parsed = answer.json()
    except (ValueError, RecursionError):
        return None
    return parsed if isinstance(parsed, dict) else None


def came(answer: Heard) -> str:
    """What came instead of what should have, in a few words."""
    if isinstance(answer, Silence):
        return answer.reason
    return f"{answer.status_code}, {answer.headers.get('content-type', 'no content type')}"


def health(alive: Heard, ready: Heard) -> Iterator[Finding]:
    """Whether the service says that it is alive and ready."""
    if (document(alive) or {}).get("status") == "alive":
        yield ok("health", "/livez: the process answers.")
    else:
        yield problem(
            "health",
            f"/livez is not answered by the service ({came(alive)}): something else is at this address, or "
            "the proxy does not pass it on.",
        )
    told = document(ready) or {}
    if told.get("status") not in ("ready", "not ready"):
        yield problem("health", f"/readyz is not answered by the service ({came(ready)}).")
        return
    failing = ", ".join(part for part, state in told.items() if state == "failing")
    if told["status"] == "not ready":
        yield problem("health", f"/readyz: not ready, failing: {failing}. Nobody can sign in or refresh.")
    elif failing:
        yield warning(
            "health",
            f"/readyz: ready, but failing: {failing}. Postgres answers in its place, and more slowly.",
        )
    else:
        yield ok("health", "/readyz: ready, and Postgres, keys and Redis are ok.")


def metadata(answer: Heard, base: str, expected: str | None) -> Iterator[Finding]:
    """Whether verifiers that are told this address find the issuer that the tokens name."""
    told = document(answer)
    if told is None or "issuer" not in told or isinstance(answer, Silence) or answer.is_error:
        yield problem(
            "discovery",
            f"/.well-known/openid-configuration is not there ({came(answer)}): verifiers that start from "
            "the issuer find no keys. Route /.well-known/* to the service.",
        )
        return
    issuer = told["issuer"]
    if issuer == base:
        yield ok("discovery", f"The issuer is {issuer}, which verifiers find at this very address.")
    else:
        yield problem(
            "discovery",
            f"The issuer is {issuer} and not {base}: verifiers that are told this address refuse every "
            "token. Set AUTH_ISSUER to the public address.",
        )
    if expected is not None and issuer != expected:
        yield problem(
            "discovery",
            f"The issuer is {issuer}, and AUTH_ISSUER is {expected} here: the deployment runs with other "
            "settings.",
        )
    address = told.get("jwks_uri")
    if not isinstance(address, str) or not address.startswith(f"{base}/"):
        yield problem("discovery", f"jwks_uri leads away, to {address}: verifiers take the keys from there.")


def key_set(answer: Heard) -> Iterator[Finding]:
    """Whether verifiers can use the key set, and keep it no longer than they should."""
    listed = (document(answer) or {}).get("keys")
    if isinstance(answer, Silence) or answer.is_error or not isinstance(listed, list):
        yield problem("keys", f"The key set is not there ({came(answer)}): no verifier can check a token.")
        return
    keys = [key for key in listed if isinstance(key, dict)]
    leaked = sorted({member for key in keys for member in _SECRET & key.keys()})
    if leaked:
        yield problem(
            "keys",
            f"The key set publishes private members ({', '.join(leaked)}): whoever fetched it can sign "
            "tokens for anybody. Take it offline, find out what answers there, and retire every key.",
        )
    unusable = [key for key in keys if not all(isinstance(key.get(member), str) for member in _PUBLIC)]
    if unusable or len(keys) < len(listed):
        yield problem(
            "keys",
            "A key lacks kty, use, alg or kid: verifiers pass it over, or let the token choose the "
            "algorithm.",
        )
    if len(keys) < _LEAST_KEYS:
        yield warning(
            "keys",
            f"The key set has {len(keys)} of at least two keys: without a standby, the next rotation meets "
            "verifiers that do not know the new key, and they refuse good tokens.",
        )
    if not leaked and not unusable and len(keys) >= _LEAST_KEYS:
        yield ok("keys", f"The key set has {len(keys)} keys, all of them public and complete.")
    yield _caching(answer)


def _caching(answer: httpx.Response) -> Finding:
    age = _MAX_AGE.search(answer.headers.get("cache-control", ""))
    if "etag" in answer.headers and age:
        return ok(
            "keys", f"Verifiers may keep it for {age[1]} seconds, and ask with its ETag whether it changed."
        )
    lacking = " and ".join(
        name for name, there in (("ETag", "etag" in answer.headers), ("max-age", age)) if not there
    )
    return note(
        "keys",
        f"The key set comes without {lacking}: verifiers fetch it more often, or keep it for as long as "
        "they like. Let the proxy pass on what the service sets.",
    )
