"""PyJWT with its PyJWKClient, and the checks that Watchword's README shows."""

import os
import sys

import jwt
from jwt.types import Options

ISSUER, AUDIENCE = os.environ["ISSUER"], os.environ["AUDIENCE"]
key_set = jwt.PyJWKClient(os.environ["JWKS_URL"])
OPTIONS: Options = {"require": ["iss", "aud", "sub", "exp", "iat", "jti", "client_id"]}


def verify(token: str) -> None:
    """Return when it accepts the token, else raise what it raises."""
    key = key_set.get_signing_key_from_jwt(token)
    verified = jwt.decode_complete(
        token, key, algorithms=["RS256"], issuer=ISSUER, audience=AUDIENCE, leeway=30, options=OPTIONS
    )
    if verified["header"].get("typ") != "at+jwt":
        raise jwt.InvalidTokenError("not an access token")


for line in sys.stdin:
    try:
        verify(line.removesuffix("\n"))
        verdict = "accepted"
    except jwt.PyJWKClientConnectionError:
        verdict = "unknown"
    except jwt.PyJWTError:
        verdict = "refused"
    except Exception as error:  # noqa: BLE001 - an error of no kind that it documents would be a 500
        verdict = f"error {type(error).__name__}"
    print(verdict, flush=True)
