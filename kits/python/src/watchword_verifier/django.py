"""Django: ``BearerMiddleware`` for all requests, ``@Bearer()`` for a view; both set ``request.identity``."""

from collections.abc import Awaitable, Callable
from functools import cache, wraps
from typing import Any, Self

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.conf import settings
from django.http import HttpRequest, HttpResponseBase, JsonResponse
from django.utils.module_loading import import_string

from watchword_verifier.demands import Age, Demands
from watchword_verifier.errors import MissingToken, Rejected
from watchword_verifier.http import bearer_token, refusal_of
from watchword_verifier.identity import Identity
from watchword_verifier.verifier import Verifier

View = Callable[..., Any]


@cache
def verifier() -> Verifier:
    """The verifier of the project: ``settings.WATCHWORD_VERIFIER``, or one from the environment."""
    named = getattr(settings, "WATCHWORD_VERIFIER", None)
    if named is None:
        return Verifier.from_environment()
    found = import_string(named) if isinstance(named, str) else named
    if not isinstance(found, Verifier):
        raise TypeError("settings.WATCHWORD_VERIFIER is not a Verifier")
    return found


class Bearer:
    """A decorator for views, plain or ``async``, that lets a request in with a valid access token."""

    def __init__(self, verifier: Verifier | None = None, demands: Demands | None = None) -> None:
        """Without a verifier, the one of the project is used."""
        self._verifier = verifier
        self.demands = demands or Demands()

    @property
    def verifier(self) -> Verifier:
        """The verifier; the settings are read at the first request."""
        return self._verifier or verifier()

    def with_roles(self, *roles: str, fresh: Age | None = None) -> Self:
        """The same, for tokens with all of these roles and, with ``fresh``, a recent sign-in."""
        return type(self)(self._verifier, self.demands.adding(roles=roles, fresh=fresh))

    def with_scopes(self, *scopes: str, fresh: Age | None = None) -> Self:
        """The same, for tokens that have all of these scopes."""
        return type(self)(self._verifier, self.demands.adding(scopes=scopes, fresh=fresh))

    def __call__(self, view: View) -> View:
        """The view, which is called only when the token is valid and meets the demands."""
        if iscoroutinefunction(view):

            @wraps(view)
            async def guarded_async(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - a view
                try:
                    identity = await self.verifier.verify(bearer_token(_authorization(request)))
                    self._admit(request, identity)
                except Rejected as rejected:
                    return answer_to(rejected)
                return await view(request, *args, **kwargs)

            return guarded_async

        @wraps(view)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - a view
            try:
                identity = self.verifier.verify_sync(bearer_token(_authorization(request)))
                self._admit(request, identity)
            except Rejected as rejected:
                return answer_to(rejected)
            return view(request, *args, **kwargs)

        return guarded

    def _admit(self, request: HttpRequest, identity: Identity) -> None:
        self.demands.check(identity, now=self.verifier.clock.wall())
        request.identity = identity


class BearerMiddleware:
    """Sets ``request.identity`` on every request: the identity, or None when it has no bearer token.

    A request with a token that is not valid is refused, also where no view demands one.
    """

    sync_capable = async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        self._get_response = get_response
        self._is_async = iscoroutinefunction(get_response)
        if self._is_async:
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        """Answer the request."""
        if self._is_async:
            return self._call_async(request)
        try:
            request.identity = verifier().verify_sync(bearer_token(_authorization(request)))
        except MissingToken:
            request.identity = None
        except Rejected as rejected:
            return answer_to(rejected)
        response: HttpResponseBase = self._get_response(request)
        return response

    async def _call_async(self, request: HttpRequest) -> HttpResponseBase:
        try:
            request.identity = await verifier().verify(bearer_token(_authorization(request)))
        except MissingToken:
            request.identity = None
        except Rejected as rejected:
            return answer_to(rejected)
        response: HttpResponseBase = await self._get_response(request)
        return response


def answer_to(rejected: Rejected) -> JsonResponse:
    """The answer to a request that is turned away."""
    refusal = refusal_of(rejected)
    return JsonResponse({"detail": refusal.detail}, status=refusal.status, headers=refusal.headers)


def _authorization(request: HttpRequest) -> list[str]:
    """WSGI servers join repeated headers with commas, which no token has."""
    value = request.META.get("HTTP_AUTHORIZATION")
    return [] if value is None else value.split(",")
