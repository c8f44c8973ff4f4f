"""Verifies access tokens of Watchword, or of any other RFC 9068 issuer, without asking it for each request.

    verifier = Verifier.from_environment(revocation="status-list")
    identity = await verifier.verify(token)

FastAPI, Django and Flask have modules of their own: ``watchword_verifier.fastapi`` and so on.
"""

from watchword_verifier.credentials import ClientCredentials
from watchword_verifier.demands import Demands
from watchword_verifier.errors import (
    ConfigurationError,
    Forbidden,
    InvalidToken,
    MalformedRequest,
    MissingToken,
    Reason,
    Rejected,
    StepUpRequired,
    Unavailable,
)
from watchword_verifier.http import Refusal, bearer_token, refusal_of
from watchword_verifier.identity import Identity, StatusReference
from watchword_verifier.options import Options, Revocation
from watchword_verifier.verifier import Health, Verifier

__version__ = "0.1.0"

__all__ = [
    "ClientCredentials",
    "ConfigurationError",
    "Demands",
    "Forbidden",
    "Health",
    "Identity",
    "InvalidToken",
    "MalformedRequest",
    "MissingToken",
    "Options",
    "Reason",
    "Refusal",
    "Rejected",
    "Revocation",
    "StatusReference",
    "StepUpRequired",
    "Unavailable",
    "Verifier",
    "bearer_token",
    "refusal_of",
]
