"""Verifiers of access tokens that others wrote, asked one question: what is claimed, or why is it refused?

Each has the key set's URL, issuer, audience and algorithm, and nothing else of ours.
"""

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import joserfc.jwt
import jwt
from authlib.oauth2.rfc6750 import InvalidTokenError
from authlib.oauth2.rfc9068 import JWTBearerTokenValidator
from authlib.oauth2.rfc9068.claims import JWTAccessTokenClaims
from joserfc.errors import BadSignatureError, ExpiredTokenError, InvalidClaimError, JoseError
from joserfc.jwk import KeySet

from app.domain.keys import Algorithm, SealedKey
from tests.people import Person
from tests.servers import ISSUER, NO_TLS, Service

INTEROP = Path(__file__).parent / "interop"
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
    assert (INTEROP / "node_modules" / "jose").is_dir(), f"run: npm ci --prefix {INTEROP}"
    arguments = [issued.key_set_url, issued.key.algorithm, ISSUER, ISSUER]
    done = subprocess.run(
        ["node", "verify.mjs", *arguments],
        cwd=INTEROP,
        input=token,
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    if "payload" in answer:
        return dict(answer["payload"])
    reasons = {"ERR_JWS_SIGNATURE_VERIFICATION_FAILED": "signature", "ERR_JWT_EXPIRED": "exp"}
    return Refused(reasons.get(answer["code"]) or answer["claim"])


def _fetched(issued: Issued) -> KeySet:
    return KeySet.import_key_set(httpx.get(issued.key_set_url, verify=NO_TLS, trust_env=False).json())


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
