"""Routing: a route states its policy once, and its checks and its documentation follow from it."""

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from enum import Enum, auto
from http import HTTPStatus
from typing import Any, Generic, Literal, NamedTuple, TypeAlias, TypeVar

from starlette.exceptions import HTTPException
from starlette.responses import Response

from app.domain.refusals import Refusal, Refused, Unavailable
from app.domain.visitors import Visitor
from app.http import problems
from app.http.answers import JSON
from app.http.bodies import BodyReader
from app.http.cookies import Cookies
from app.http.credentials import bearer
from app.http.front import Answerer
from app.http.front.incoming import Incoming
from app.http.headers import Headers
from app.http.origins import Origins
from app.services.outages import log_outage

CasesT = TypeVar("CasesT")
BodyT = TypeVar("BodyT")


class Bearer(Enum):
    """Whether a route reads an access token; when it is required, ``invalid_token`` refuses its absence."""

    UNREAD = auto()
    OPTIONAL = auto()
    REQUIRED = auto()


class SameSite(Enum):
    """When a route refuses a request that a page of another site sent.

    ``ALWAYS`` lets a page of an app in a web view pass, so the handler asks what kind of client it is.
    ``WITH_COOKIE`` also means that the route reads a refresh token from the cookie.
    ``BROWSERS`` leaves the check to the handler, because the body says whether the client is a browser.
    """

    NEVER = auto()
    ALWAYS = auto()
    WITH_COOKIE = auto()
    BROWSERS = auto()


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer that is not a problem, for OpenAPI; ``headers`` names those beside the usual ones."""

    description: str
    model: Any = None
    status: HTTPStatus = HTTPStatus.OK
    headers: tuple[str, ...] = ()
    media_type: str = JSON


@dataclass(frozen=True, slots=True)
class Parameter:
    """An optional parameter of the query or in a header, for OpenAPI. The handler checks it."""

    place: Literal["query", "header"]
    name: str
    description: str
    pattern: str


Reason: TypeAlias = Refusal | HTTPStatus
"""Why a route refuses: a refusal of the catalogue, or a failure of HTTP itself."""


@dataclass(frozen=True, slots=True)
class Policy:
    """The policy that a route states, from which its checks and its documentation follow."""

    answers: tuple[Answer, ...]
    refuses: tuple[Reason, ...] = ()
    bearer: Bearer = Bearer.UNREAD
    same_site: SameSite = SameSite.NEVER
    takes_turn: bool = False
    parameters: tuple[Parameter, ...] = ()
    takes_basic: bool = False
    forwarded: bool = False


class Call(NamedTuple, Generic[CasesT, BodyT]):
    """A request that has passed the checks of its route."""

    request: Incoming
    cases: CasesT
    body: BodyT
    bearer: str | None
    cookie: str | None
    origins: Origins
    cookies: Cookies

    @property
    def headers(self) -> Headers:
        """The request's headers."""
        return self.request.headers

    @property
    def access_token(self) -> str:
        """The access token of a route that requires one."""
        if self.bearer is None:
            raise Refused(Refusal.INVALID_TOKEN)
        return self.bearer

    @property
    def visitor(self) -> Visitor:
        """Where the request comes from."""
        return self.request.visitor


Handler: TypeAlias = Callable[[Call[CasesT, BodyT]], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Route(Generic[CasesT, BodyT]):
    """One route: where it is, how it is answered, and its policy."""

    method: str
    path: str
    body: BodyReader[BodyT]
    handle: Handler[CasesT, BodyT]
    policy: Policy
    tag: str

    @property
    def operation_id(self) -> str:
        """The handler's name as generated clients spell it: ``logout_everywhere`` is ``logoutEverywhere``."""
        first, *others = self.handle.__name__.split("_")
        return first + "".join(word.capitalize() for word in others)

    def answerer(self, cases: CasesT, origins: Origins, cookies: Cookies) -> Answerer:
        """The route as the front calls it: the checks in their order, and then the handler."""
        reads_bearer = self.policy.bearer is not Bearer.UNREAD
        requires_bearer = self.policy.bearer is Bearer.REQUIRED
        reads_cookie = self.policy.same_site is SameSite.WITH_COOKIE
        always_same_site = self.policy.same_site is SameSite.ALWAYS
        read, handle = self.body.read, self.handle

        async def answer(request: Incoming) -> Response:
            headers = request.headers
            try:
                access_token = bearer(headers) if reads_bearer else None
                if requires_bearer and access_token is None:
                    raise Refused(Refusal.INVALID_TOKEN)
                cookie = cookies.presented(headers) if reads_cookie else None
                if cookie is not None or (always_same_site and not origins.is_native(headers)):
                    origins.require_same_site(headers)
                body = await read(request, bool(access_token) or cookie is not None)
                return await handle(Call(request, cases, body, access_token, cookie, origins, cookies))
            except Refused as refused:
                return _refused(refused)
            except HTTPException as error:
                return problems.failed(HTTPStatus(error.status_code), error.headers)

        return answer


def _refused(refused: Refused) -> Response:
    if isinstance(refused, Unavailable):
        log_outage(refused)
    return problems.refused(refused, refused.errors if isinstance(refused, problems.InvalidRequest) else ())


async def _nothing(_: Incoming, __: bool) -> None:  # noqa: FBT001 - as BodyReader calls it
    return None


NO_BODY: BodyReader[None] = BodyReader(_nothing, None, is_required=False)


class Routes(Generic[CasesT]):
    """The routes of one module, and the record of the use cases that they may call."""

    def __init__(self, cases: type[CasesT], tag: str, about: str) -> None:
        self.cases = cases
        self.tag = tag
        self.about = about
        self.routes: list[Route[CasesT, Any]] = []

    def get(
        self,
        path: str,
        *answers: Answer,
        refuses: tuple[Reason, ...] = (),
        bearer: Bearer = Bearer.UNREAD,
        parameters: tuple[Parameter, ...] = (),
        forwarded: bool = False,
    ) -> Callable[[Handler[CasesT, None]], Handler[CasesT, None]]:
        """Add a route for GET, which takes no body.

        One that is ``forwarded`` also answers every other method, and every path below its own.
        """
        policy = Policy(answers, refuses, bearer, parameters=parameters, forwarded=forwarded)
        return self._add("GET", path, NO_BODY, policy)

    def delete(
        self, path: str, *answers: Answer, refuses: tuple[Reason, ...] = (), bearer: Bearer = Bearer.UNREAD
    ) -> Callable[[Handler[CasesT, None]], Handler[CasesT, None]]:
        """Add a route for DELETE, which takes no body."""
        return self._add("DELETE", path, NO_BODY, Policy(answers, refuses, bearer))

    def post(
        self,
        path: str,
        *answers: Answer,
        body: BodyReader[BodyT],
        refuses: tuple[Reason, ...] = (),
        bearer: Bearer = Bearer.UNREAD,
        same_site: SameSite = SameSite.NEVER,
        takes_turn: bool = False,
        parameters: tuple[Parameter, ...] = (),
        takes_basic: bool = False,
    ) -> Callable[[Handler[CasesT, BodyT]], Handler[CasesT, BodyT]]:
        """Add a route for POST; one that takes a turn begins after the ones before it have begun.

        The handler of one that ``takes_basic`` reads the id and the secret of a service client.
        """
        policy = Policy(answers, refuses, bearer, same_site, takes_turn, parameters, takes_basic)
        return self._add("POST", path, body, policy)

    def _add(
        self, method: str, path: str, body: BodyReader[BodyT], policy: Policy
    ) -> Callable[[Handler[CasesT, BodyT]], Handler[CasesT, BodyT]]:
        def add(handle: Handler[CasesT, BodyT]) -> Handler[CasesT, BodyT]:
            self.routes.append(Route(method, path, body, handle, policy, self.tag))
            return handle

        return add

    def answerers(
        self, cases: CasesT, origins: Origins, cookies: Cookies
    ) -> Iterator[tuple[Route[CasesT, Any], Answerer]]:
        """Each route, and what answers it with these use cases."""
        for route in self.routes:
            yield route, route.answerer(cases, origins, cookies)
