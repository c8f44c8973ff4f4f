"""Verifiers of access tokens that others wrote, asked one question: what is claimed, or why is it refused?

Each has the key set's URL, issuer, audience and algorithm, and nothing else of ours.
"""

import atexit
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

import httpx2
import joserfc.jwt
import jwt
from authlib.oauth2.rfc6750 import InvalidTokenError
from authlib.oauth2.rfc9068 import JWTBearerTokenValidator
from authlib.oauth2.rfc9068.claims import JWTAccessTokenClaims
from joserfc.errors import BadSignatureError, ExpiredTokenError, InvalidClaimError, JoseError
from joserfc.jwk import KeySet
from joserfc.jwt import ClaimsOption

from app.domain.keys import Algorithm, SealedKey
from tests.support.connections import Connection
from tests.support.database import Sql
from tests.support.people import Person
from tests.support.processes import PATIENCE
from tests.support.servers import ISSUER, NO_TLS, Service

INTEROP = Path(__file__).parents[1] / "journeys/interop"
LEEWAY = 30


@dataclass(frozen=True, slots=True)
class Issued:
    """A service, its key, and a token that it issued to somebody."""

    service: Service
    key: SealedKey
    person: Person
    token: str

    @property
    def key_set_url(self) -> str:
        return f"{self.service.url}/.well-known/jwks.json"


@dataclass(frozen=True, slots=True)
class Refused:
    """Why a verifier refused a token, in words that are the same for all of them."""

    reason: str


Verifier = Callable[[Issued, str], dict[str, Any] | Refused]


def by_joserfc(issued: Issued, token: str) -> dict[str, Any] | Refused:
    registry = joserfc.jwt.JWTClaimsRegistry(
        leeway=LEEWAY,
        iss={"essential": True, "value": ISSUER},
        aud={"essential": True, "value": ISSUER},
        exp={"essential": True},
    )
    try:
        decoded = joserfc.jwt.decode(token, _fetched(issued), algorithms=[issued.key.algorithm])
        registry.validate(decoded.claims)
    except JoseError as error:
        return _joserfc_reason(error)
    return decoded.claims


class _Validator(JWTBearerTokenValidator):  # type: ignore[misc] # Authlib ships no types.
    def __init__(self, issued: Issued) -> None:
        super().__init__(issuer=ISSUER, resource_server=ISSUER)
        self._issued = issued

    def get_jwks(self) -> KeySet:
        return _fetched(self._issued)


class _EdDsaValidator(_Validator):
    """Authlib takes only what joserfc recommends, and EdDSA is not among it; the claims are checked alike."""

    def authenticate_token(self, token_string: str) -> JWTAccessTokenClaims:
        try:
            token = joserfc.jwt.decode(token_string, self.get_jwks(), algorithms=["EdDSA"])
        except JoseError as error:
            raise InvalidTokenError from error
        required = ("iss", "exp", "aud", "sub", "client_id", "iat", "jti")
        options: dict[str, Any] = {name: {"essential": True} for name in required}
        options["iss"]["value"] = options["aud"]["value"] = ISSUER
        return JWTAccessTokenClaims(token.claims, token.header, options)


def by_authlib(issued: Issued, token: str) -> dict[str, Any] | Refused:
    validator = (_EdDsaValidator if issued.key.algorithm is Algorithm.EDDSA else _Validator)(issued)
    try:
        believed = validator.authenticate_token(token)
        validator.validate_token(believed, [], None)
    except InvalidTokenError as error:
        return _joserfc_reason(error.__cause__)
    return dict(believed)


def by_pyjwt(issued: Issued, token: str) -> dict[str, Any] | Refused:
    reasons = {
        jwt.InvalidSignatureError: "signature",
        jwt.ExpiredSignatureError: "exp",
        jwt.InvalidAudienceError: "aud",
        jwt.InvalidIssuerError: "iss",
    }
    key = jwt.PyJWKClient(issued.key_set_url).get_signing_key_from_jwt(token)
    try:
        decoded: dict[str, Any] = jwt.decode(
            token, key, algorithms=[issued.key.algorithm], issuer=ISSUER, audience=ISSUER, leeway=LEEWAY
        )
    except tuple(reasons) as error:
        return Refused(reasons[type(error)])
    return decoded


def by_npm_jose(issued: Issued, token: str) -> dict[str, Any] | Refused:
    question = {
        "url": issued.key_set_url,
        "algorithm": issued.key.algorithm,
        "issuer": ISSUER,
        "token": token,
    }
    answer = _answered(_verify(), json.dumps(question))
    if "payload" in answer:
        return dict(answer["payload"])
    reasons = {"ERR_JWS_SIGNATURE_VERIFICATION_FAILED": "signature", "ERR_JWT_EXPIRED": "exp"}
    return Refused(reasons.get(answer["code"]) or answer["claim"])


@cache
def _verify() -> subprocess.Popen[str]:
    """One process for all tokens, since its start takes half a second. It ends with the tests."""
    stack = ExitStack()
    atexit.register(stack.close)
    return stack.enter_context(_node("verify.mjs"))


def _fetched(issued: Issued) -> KeySet:
    return KeySet.import_key_set(
        httpx2.get(issued.key_set_url, verify=NO_TLS, trust_env=False, timeout=PATIENCE).json()
    )


def _joserfc_reason(error: BaseException | None) -> Refused:
    match error:
        case BadSignatureError():
            return Refused("signature")
        case ExpiredTokenError() | InvalidClaimError():
            return Refused(error.claim)
        case _:
            raise AssertionError("refused for another reason") from error


VERIFIERS: dict[str, Verifier] = {"joserfc": by_joserfc, "authlib": by_authlib, "pyjwt": by_pyjwt}
# Left out only where there is no npm; in CI it has to be there.
if shutil.which("npm") or os.environ.get("CI") == "true":
    VERIFIERS["npm jose"] = by_npm_jose


ALGORITHMS = ["RS256", "ES256"]
AGE = """UPDATE signing_keys SET created_at = created_at - $1::interval,
    activated_at = activated_at - $1::interval, superseded_at = superseded_at - $1::interval"""

Client: TypeAlias = Callable[[str], None]
"""Believes a token, or raises."""


class ShiftedTime:
    """The time of the keys and of the caches: it passes when the keys are made older."""

    def __init__(self, sql: Sql) -> None:
        self._sql = sql
        self.passed = timedelta()

    async def passes(self, by: timedelta) -> None:
        # First for the caches: in between, keys might change that in this order they are not too old for.
        self.passed += by
        await self._sql.execute(AGE, by)


class Cache:
    """A verifier that keeps for so long what it has fetched."""

    def __init__(self, lifetime: timedelta, time: ShiftedTime, opened: Callable[[], Client]) -> None:
        self._lifetime = lifetime
        self._time = time
        self._opened = opened
        self._client: Client | None = None
        self._opened_at = timedelta()

    def check(self, token: str) -> None:
        if self._client is None or self._time.passed - self._opened_at >= self._lifetime:
            self._client, self._opened_at = self._opened(), self._time.passed
        self._client(token)


@contextmanager
def caches(key_set_url: str, issuer: str, time: ShiftedTime) -> Iterator[list[Cache]]:
    """PyJWT and npm's jose as they are by default, and joserfc with nothing kept, or for long."""
    with ExitStack() as stack:
        # Each request on a connection of its own, so that any worker may answer it.
        limits = httpx2.Limits(max_keepalive_connections=0)
        http = stack.enter_context(
            httpx2.Client(verify=NO_TLS, trust_env=False, limits=limits, timeout=PATIENCE)
        )

        def by_joserfc() -> Client:
            return _joserfc(http.get(key_set_url).raise_for_status(), issuer)

        clients: list[tuple[timedelta, Callable[[], Client]]] = [
            (timedelta(), by_joserfc),
            (timedelta(minutes=5), by_joserfc),  # What Cache-Control allows.
            (timedelta(hours=1), by_joserfc),
            (timedelta(minutes=5), lambda: _pyjwt(key_set_url, issuer)),
        ]
        if "npm jose" in VERIFIERS:
            process = stack.enter_context(_node("caching.mjs", key_set_url, issuer, issuer))
            clients.append((timedelta(minutes=10), lambda: _npm_jose(process)))
        yield [Cache(lifetime, time, opened) for lifetime, opened in clients]


async def published_by(worker: Connection) -> tuple[str, bytes]:
    """The key set's validator and its bytes, from the worker at the other end."""
    status, fields, content = await worker.exchange("GET", "/.well-known/jwks.json", None)
    assert status == 200, content
    return fields["etag"], content


def kids_in(key_set: bytes) -> set[str]:
    return {key["kid"] for key in json.loads(key_set)["keys"]}


@contextmanager
def _node(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    assert (INTEROP / "node_modules" / "jose").is_dir(), f"run: npm ci --prefix {INTEROP}"
    with subprocess.Popen(
        ["node", *arguments], cwd=INTEROP, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def _joserfc(published: httpx2.Response, issuer: str) -> Client:
    keys = KeySet.import_key_set(published.json())
    member: ClaimsOption = {"essential": True, "value": issuer}
    claims = joserfc.jwt.JWTClaimsRegistry(iss=member, aud=member, exp={"essential": True})

    def believe(token: str) -> None:
        claims.validate(joserfc.jwt.decode(token, keys, algorithms=ALGORITHMS).claims)

    return believe


def _pyjwt(key_set_url: str, issuer: str) -> Client:
    keys = jwt.PyJWKClient(key_set_url)

    def believe(token: str) -> None:
        key = keys.get_signing_key_from_jwt(token)
        jwt.decode(token, key, algorithms=ALGORITHMS, issuer=issuer, audience=issuer)

    return believe


def _answered(process: subprocess.Popen[str], line: str) -> dict[str, Any]:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(f"{line}\n")
    process.stdin.flush()
    answer: dict[str, Any] = json.loads(process.stdout.readline())
    return answer


def _npm_jose(process: subprocess.Popen[str]) -> Client:
    """The process runs on, with a client of its own that is new."""
    assert process.stdin is not None
    process.stdin.write("\n")

    def believe(token: str) -> None:
        assert _answered(process, token) == {"kid": jwt.get_unverified_header(token)["kid"]}

    return believe
