"""Sessions: ``POST /login``, ``/refresh``, ``/logout``, ``/logout/all``; ``GET`` and ``DELETE /sessions``."""

from dataclasses import dataclass
from http import HTTPStatus
from uuid import UUID

from starlette.exceptions import HTTPException
from starlette.responses import Response

from app.domain.refusals import Refusal, Refused
from app.domain.sessions import ClientKind
from app.http import problems
from app.http.answers import Session, SessionList, TokenResponse, no_content, private
from app.http.bodies import LoginBody, RefreshTokenBody, optional, required
from app.http.cookies import Cookies
from app.http.credentials import (
    IDEMPOTENCY_KEY,
    IDEMPOTENCY_KEY_PATTERN,
    idempotency_key,
    refresh_token,
    tokens,
)
from app.http.routing import Answer, Bearer, Call, Parameter, Routes, SameSite
from app.http.visitors import each_in_words
from app.services.owner.login import Login
from app.services.owner.logout import Logout, LogoutEverywhere
from app.services.owner.refresh import Refresh
from app.services.owner.sessions import OwnSessions


@dataclass(frozen=True, slots=True)
class SessionCases:
    """The use cases of these routes."""

    login: Login
    refresh: Refresh
    logout: Logout
    logout_everywhere: LogoutEverywhere
    own_sessions: OwnSessions


route = Routes(SessionCases, "sessions", "Signing in and out, refreshing, and the account's own sessions.")

# These end the session for good, so its cookie is of no more use.
_FINAL = {Refusal.REFRESH_TOKEN_EXPIRED, Refusal.REFRESH_TOKEN_REUSED, Refusal.SESSION_REVOKED}
_ENDED = Answer("The session has ended.", status=HTTPStatus.NO_CONTENT)
_SIGNED_OUT = Answer(
    "Signed out. The cookie is cleared.", status=HTTPStatus.NO_CONTENT, headers=("Set-Cookie",)
)


@route.post(
    "/login",
    Answer("The session is open.", TokenResponse, headers=("Set-Cookie",)),
    body=required(LoginBody),
    same_site=SameSite.BROWSERS,
    takes_turn=True,
    refuses=(
        Refusal.INVALID_CREDENTIALS,
        Refusal.ACCOUNT_DISABLED,
        Refusal.TOO_MANY_REQUESTS,
        Refusal.OVERLOADED,
        Refusal.UNAVAILABLE,
    ),
)
async def login(call: Call[SessionCases, LoginBody]) -> Response:
    """Open a session with an e-mail address and a password.

    A browser, which is the default, gets its refresh token in a cookie that no script can read.
    If it still holds a session, that one ends.
    A native client gets it in the body.
    """
    credentials = call.body
    device, cookie = credentials.device_token, None
    call.origins.require_fit(call.headers, credentials.client)
    if credentials.client is ClientKind.BROWSER:
        device = call.cookies.presented_device(call.headers) or ""
        cookie = call.cookies.presented(call.headers)
    return tokens(
        await call.cases.login(
            credentials.email, credentials.password, credentials.client, call.visitor, device, cookie
        ),
        call.cookies,
    )


@route.post(
    "/refresh",
    Answer(
        "The access token and the successor of the refresh token.", TokenResponse, headers=("Set-Cookie",)
    ),
    body=optional(RefreshTokenBody),
    same_site=SameSite.WITH_COOKIE,
    parameters=(
        Parameter(
            "header",
            IDEMPOTENCY_KEY,
            "Choose a random text for one refresh, and repeat it when you retry that refresh. "
            "The retry then gets its answer for as long as the session lives.",
            pattern=IDEMPOTENCY_KEY_PATTERN,
        ),
    ),
    refuses=(
        Refusal.REFRESH_TOKEN_MISSING,
        Refusal.REFRESH_TOKEN_INVALID,
        Refusal.REFRESH_TOKEN_EXPIRED,
        Refusal.REFRESH_TOKEN_REUSED,
        Refusal.SESSION_REVOKED,
        Refusal.TOO_MANY_REQUESTS,
        Refusal.UNAVAILABLE,
    ),
)
async def refresh(call: Call[SessionCases, RefreshTokenBody | None]) -> Response:
    """Exchange a refresh token for its successor and a new access token (RFC 6749 section 6).

    A browser sends no body or an empty one, because its refresh token is in the cookie.
    A native client sends it in the body.
    """
    token, client = refresh_token(call.cookie, call.body)
    key = idempotency_key(call.headers)
    if token is None:
        raise Refused(Refusal.REFRESH_TOKEN_MISSING)
    try:
        return tokens(await call.cases.refresh(token, client, call.visitor, key), call.cookies)
    except Refused as refused:
        if client is not ClientKind.BROWSER or refused.refusal not in _FINAL:
            raise
        response = problems.refused(refused)
        call.cookies.clear(response)
        return response


@route.post(
    "/logout",
    _SIGNED_OUT,
    body=optional(RefreshTokenBody),
    bearer=Bearer.OPTIONAL,
    same_site=SameSite.WITH_COOKIE,
    refuses=(Refusal.UNAVAILABLE,),
)
async def logout(call: Call[SessionCases, RefreshTokenBody | None]) -> Response:
    """End the session of the refresh token, of the access token, or of both."""
    token, _ = refresh_token(call.cookie, call.body)
    await call.cases.logout(token, call.bearer, call.visitor)
    return _signed_out(call.cookies)


@route.post(
    "/logout/all",
    _SIGNED_OUT,
    body=optional(RefreshTokenBody),
    bearer=Bearer.OPTIONAL,
    same_site=SameSite.WITH_COOKIE,
    refuses=(Refusal.INVALID_TOKEN, Refusal.UNAVAILABLE),
)
async def logout_everywhere(call: Call[SessionCases, RefreshTokenBody | None]) -> Response:
    """End every session of the account that the refresh token or the access token belongs to."""
    token, _ = refresh_token(call.cookie, call.body)
    await call.cases.logout_everywhere(token, call.bearer, call.visitor)
    return _signed_out(call.cookies)


def _signed_out(cookies: Cookies) -> Response:
    response = no_content()
    cookies.clear(response)
    return response


@route.get(
    "/sessions",
    Answer("The sessions, at most a thousand: those used last.", SessionList),
    bearer=Bearer.REQUIRED,
    refuses=(Refusal.UNAVAILABLE,),
)
async def list_sessions(call: Call[SessionCases, None]) -> Response:
    """List the account's living sessions, the one used last first."""
    sessions, current = await call.cases.own_sessions.all(call.access_token)
    words = await each_in_words(session.user_agent for session in sessions)
    return private(
        SessionList(
            tuple(
                Session(
                    session.id,
                    session.client,
                    session.created_at,
                    session.last_used_at,
                    session.address,
                    words[session.user_agent],
                    current=session.id == current,
                )
                for session in sessions
            )
        )
    )


@route.delete(
    "/sessions/{session_id}",
    _ENDED,
    bearer=Bearer.REQUIRED,
    refuses=(HTTPStatus.NOT_FOUND, Refusal.UNAVAILABLE),
)
async def end_session(call: Call[SessionCases, None]) -> Response:
    """End a session of the account, with all its access tokens."""
    session_id = _id(call.request.path_params["session_id"])
    if not await call.cases.own_sessions.end(call.access_token, session_id, call.visitor):
        raise HTTPException(404)
    return no_content()


def _id(text: str) -> UUID:
    """A session's id; a text that is no id becomes the id of no session."""
    try:
        return UUID(text)
    except ValueError:
        return UUID(int=0)
