"""``keys``: the signing keys in Postgres, and the key set that a deployment publishes."""

import re
from collections.abc import Container, Iterator, Sequence

import httpx2

from app.cli.doctor.client import Answer, NoAnswer, describe, json_object
from app.cli.doctor.findings import Finding, counted, note, ok, problem, warning
from app.domain.keys import KeyState, SigningKey, in_state

_PUBLIC = ("kty", "use", "alg", "kid")
# RFC 7518 sections 6.2.2, 6.3.2 and 6.4.1; RFC 8037 section 2.
_PRIVATE = {"d", "p", "q", "dp", "dq", "qi", "oth", "k"}
_MAX_AGE = re.compile(r"\bmax-age=([0-9]+)")
_LEAST_KEYS = 2


def check_stored_keys(stored: Sequence[SigningKey], unopenable: Container[str]) -> Iterator[Finding]:
    """Check that there is a signing key and a standby, and that the secrets open both."""
    if not stored:
        yield note("keys", "There is no signing key yet. The first start of the service creates two.")
        return
    yield _stored_key(stored, KeyState.SIGNING, unopenable, "users cannot sign in or refresh")
    yield _stored_key(stored, KeyState.STANDBY, unopenable, "it can never take over the signing")


def _stored_key(
    stored: Sequence[SigningKey], state: KeyState, unopenable: Container[str], harm: str
) -> Finding:
    key = in_state(stored, state)
    role = f"the {state.value} key"
    if key is None:
        return warning(
            "keys",
            f"There is no {state.value} key. A running service creates one within seconds. If it runs, read "
            "its log.",
        )
    if key.kid in unopenable:
        return problem(
            "keys",
            f"No secret in AUTH_SECRET_KEYS opens {key.kid}, {role}: {harm}. List the secret that sealed it.",
        )
    return ok("keys", f"A secret in AUTH_SECRET_KEYS opens {key.kid} ({key.algorithm}), {role}.")


def check_key_set(answer: Answer) -> Iterator[Finding]:
    """Check that verifiers can use the published key set, and that they cache it as long as they should."""
    listed = (json_object(answer) or {}).get("keys")
    if isinstance(answer, NoAnswer) or answer.is_error or not isinstance(listed, list):
        yield problem("keys", f"The key set is missing ({describe(answer)}): verifiers cannot check tokens.")
        return
    keys = [key for key in listed if isinstance(key, dict)]
    leaked = sorted({member for key in keys for member in _PRIVATE & key.keys()})
    if leaked:
        yield problem(
            "keys",
            f"The key set publishes private members ({', '.join(leaked)}): every client that fetched it can "
            "sign tokens for any account. Take it offline, find out which program answers there, and retire "
            "every key.",
        )
    unusable = [key for key in keys if not all(isinstance(key.get(member), str) for member in _PUBLIC)]
    if unusable or len(keys) < len(listed):
        yield problem(
            "keys",
            "A key lacks kty, use, alg or kid: verifiers skip it, or let the token choose the algorithm.",
        )
    if len(keys) < _LEAST_KEYS:
        yield warning(
            "keys",
            f"The key set has {counted(len(keys), 'key')} instead of at least two. Without a standby, "
            "verifiers do not know the new key at the next rotation, and refuse good tokens.",
        )
    if not leaked and not unusable and len(keys) >= _LEAST_KEYS:
        yield ok("keys", f"The key set has {len(keys)} keys, all of them public and complete.")
    yield _caching(answer)


def _caching(answer: httpx2.Response) -> Finding:
    age = _MAX_AGE.search(answer.headers.get("cache-control", ""))
    if "etag" in answer.headers and age:
        return ok(
            "keys", f"Verifiers may cache the key set for {age[1]} seconds, and revalidate it with its ETag."
        )
    missing = " and ".join(
        name for name, present in (("ETag", "etag" in answer.headers), ("max-age", age)) if not present
    )
    return note(
        "keys",
        f"The key set comes without {missing}: verifiers fetch it more often, or cache it for as long as "
        "they like. Let the proxy pass on the service's headers.",
    )
