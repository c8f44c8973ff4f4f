"""What a verifier says of a token, as one value."""

from collections.abc import Callable
from typing import TypeAlias

from conformance.issuer import Issuer
from watchword_verifier import InvalidToken, Reason, Unavailable, Verifier

AUDIENCE = "https://orders.example.com"

Make: TypeAlias = Callable[..., Verifier]
"""Makes a verifier for the issuer of the test, with these options."""


def reason(verifier: Verifier, token: str) -> Reason | int | None:
    """Why a token is refused, seconds when that cannot be known, or None when it is accepted."""
    try:
        verifier.verify_sync(token)
    except InvalidToken as invalid:
        return invalid.reason
    except Unavailable as unavailable:
        return unavailable.retry_after
    return None


def asked(issuer: Issuer, path: str, times: int) -> bool:
    """Whether the issuer was asked for this path so many times."""
    return issuer.hits[path] == times
