"""joserfc, which leaves the key set to the application: fetched at first use, and kept for five minutes."""

import os
import sys
import time

import httpx2
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

ISSUER, AUDIENCE = os.environ["ISSUER"], os.environ["AUDIENCE"]
CLAIMS = jwt.JWTClaimsRegistry(
    leeway=30,
    iss={"essential": True, "value": ISSUER},
    aud={"essential": True, "value": AUDIENCE},
    sub={"essential": True},
    exp={"essential": True},
    iat={"essential": True},
    jti={"essential": True},
    client_id={"essential": True},
)
FIVE_MINUTES = 300
fetched: list[tuple[float, KeySet]] = []


def keys() -> KeySet:
    """The key set, fetched when it is not kept."""
    if not fetched or time.monotonic() - fetched[-1][0] > FIVE_MINUTES:
        answer = httpx2.get(os.environ["JWKS_URL"], trust_env=False).raise_for_status()
        fetched[:] = [(time.monotonic(), KeySet.import_key_set(answer.json()))]
    return fetched[-1][1]


def verify(token: str) -> None:
    """Return when it accepts the token, else raise what it raises."""
    decoded = jwt.decode(token, keys(), algorithms=["RS256"])
    CLAIMS.validate(decoded.claims)
    if decoded.header.get("typ") != "at+jwt":
        raise ValueError("not an access token")


for line in sys.stdin:
    try:
        verify(line.removesuffix("\n"))
        verdict = "accepted"
    except httpx2.HTTPError:
        verdict = "unknown"
    except (JoseError, ValueError):
        verdict = "refused"
    except Exception as error:  # noqa: BLE001 - an error of no kind that it documents would be a 500
        verdict = f"error {type(error).__name__}"
    print(verdict, flush=True)
