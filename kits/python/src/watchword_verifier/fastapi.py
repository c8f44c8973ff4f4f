"""FastAPI: ``Depends(Bearer(verifier))``."""

from typing import Self

from fastapi import HTTPException, Request
from fastapi.openapi.models import HTTPBearer
from fastapi.security.base import SecurityBase

from watchword_verifier.demands import Age, Demands
from watchword_verifier.errors import Rejected
from watchword_verifier.http import bearer_token, refusal_of
from watchword_verifier.identity import Identity
from watchword_verifier.verifier import Verifier
from watchword_verifier.websocket import SignedInSocket, first_message

__all__ = ["Bearer", "SignedInSocket", "first_message"]


class Bearer(SecurityBase):
    """A dependency that lets a request in with a valid access token, and gives its identity."""

    def __init__(self, verifier: Verifier, demands: Demands | None = None) -> None:
        self.verifier = verifier
        self.demands = demands or Demands()
        # What FastAPI writes into the OpenAPI document.
        self.model = HTTPBearer(bearerFormat="JWT", description="An access token (RFC 9068).")
        self.scheme_name = "Bearer"

    def with_roles(self, *roles: str, fresh: Age | None = None) -> Self:
        """The same, for tokens with all of these roles and, with ``fresh``, a recent sign-in."""
        return type(self)(self.verifier, self.demands.adding(roles=roles, fresh=fresh))

    def with_scopes(self, *scopes: str, fresh: Age | None = None) -> Self:
        """The same, for tokens that have all of these scopes."""
        return type(self)(self.verifier, self.demands.adding(scopes=scopes, fresh=fresh))

    async def __call__(self, request: Request) -> Identity:
        """The identity of the request.

        Raises:
            HTTPException: 400, 401, 403 or 503, with the headers that the RFCs ask for.
        """
        try:
            identity = await self.verifier.verify(bearer_token(request.headers.getlist("Authorization")))
            self.demands.check(identity, now=self.verifier.clock.wall())
        except Rejected as rejected:
            refusal = refusal_of(rejected)
            raise HTTPException(refusal.status, refusal.detail, refusal.headers) from None
        return identity
