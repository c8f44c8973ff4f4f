"""Flask: ``@Bearer(verifier)`` around a view; the identity is ``g.identity``."""

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, Self, TypeVar

from flask import Response, g, jsonify, request
from werkzeug.exceptions import HTTPException

from watchword_verifier.demands import Age, Demands
from watchword_verifier.errors import Rejected
from watchword_verifier.http import Refusal, bearer_token, refusal_of
from watchword_verifier.identity import Identity
from watchword_verifier.verifier import Verifier

P = ParamSpec("P")
R = TypeVar("R")


class Bearer:
    """A decorator that lets a request in with a valid access token."""

    def __init__(self, verifier: Verifier, demands: Demands | None = None) -> None:
        self.verifier = verifier
        self.demands = demands or Demands()

    def with_roles(self, *roles: str, fresh: Age | None = None) -> Self:
        """The same, for tokens with all of these roles and, with ``fresh``, a recent sign-in."""
        return type(self)(self.verifier, self.demands.adding(roles=roles, fresh=fresh))

    def with_scopes(self, *scopes: str, fresh: Age | None = None) -> Self:
        """The same, for tokens that have all of these scopes."""
        return type(self)(self.verifier, self.demands.adding(scopes=scopes, fresh=fresh))

    def __call__(self, view: Callable[P, R]) -> Callable[P, R]:
        """The view, which is called only when the token is valid and meets the demands."""

        @wraps(view)
        def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
            g.identity = self.identity()
            return view(*args, **kwargs)

        return guarded

    def identity(self) -> Identity:
        """The identity of the current request; for ``before_request`` and the like.

        Raises:
            HTTPException: 400, 401, 403 or 503, with the headers that the RFCs ask for.
        """
        try:
            identity = self.verifier.verify_sync(bearer_token(_authorization()))
            self.demands.check(identity, now=self.verifier.clock.wall())
        except Rejected as rejected:
            raise _exception(refusal_of(rejected)) from None
        return identity


def _authorization() -> list[str]:
    """WSGI servers join repeated headers with commas, which no token has."""
    value = request.headers.get("Authorization")
    return [] if value is None else value.split(",")


def _exception(refusal: Refusal) -> HTTPException:
    response: Response = jsonify(detail=refusal.detail)
    response.status_code = refusal.status
    response.headers.extend(refusal.headers)
    return HTTPException(response=response)
