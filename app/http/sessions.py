"""``POST /login``, ``POST /refresh``, ``POST /logout``."""

import orjson
from fastapi import APIRouter
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response

from app.domain.refusals import Refusal, Refused
from app.domain.sessions import ClientKind
from app.http import cookies, problems
from app.http.openapi import answers
from app.http.origins import is_browser
from app.http.schemas import LoginBody, RefreshTokenBody, TokenResponse, documented, read, require
from app.http.use_cases import use_cases
from app.http.visitors import visitor
from app.services.open_session import TokenPair

router = APIRouter(tags=["sessions"])

# With these the session is over for good, and its cookie of no more use.
_FINAL = {Refusal.REFRESH_TOKEN_EXPIRED, Refusal.REFRESH_TOKEN_REUSED, Refusal.SESSION_REVOKED}


@router.post(
    "/login",
    openapi_extra=documented(LoginBody, required=True),
    responses=answers(
        TokenResponse,
        Refusal.INVALID_CREDENTIALS,
        Refusal.ACCOUNT_DISABLED,
        Refusal.CROSS_SITE_REQUEST,
        Refusal.INVALID_REQUEST,
        Refusal.TOO_MANY_REQUESTS,
        Refusal.OVERLOADED,
        Refusal.UNAVAILABLE,
    ),
)
async def login(request: Request) -> Response:
    """Open a session with an e-mail address and a password."""
    cases = use_cases(request)
    credentials = await require(request, LoginBody)
    device = credentials.device_token
    if credentials.client is ClientKind.BROWSER:
        cases.origins.require_same_site(request.headers)
        device = cookies.presented(request.headers, cookies.DEVICE_NAME) or ""
    elif is_browser(request.headers):
        # A page must not get hold of a refresh token, which a native client reads in the body.
        raise Refused(Refusal.INVALID_REQUEST)
    return tokens(
        await cases.login(
            credentials.email, credentials.password, credentials.client, visitor(request), device
        )
    )


@router.post(
    "/refresh",
    openapi_extra=documented(RefreshTokenBody, required=False),
    responses=answers(
        TokenResponse,
        Refusal.REFRESH_TOKEN_MISSING,
        Refusal.REFRESH_TOKEN_INVALID,
        Refusal.REFRESH_TOKEN_EXPIRED,
        Refusal.REFRESH_TOKEN_REUSED,
        Refusal.SESSION_REVOKED,
        Refusal.CROSS_SITE_REQUEST,
        Refusal.INVALID_REQUEST,
        Refusal.TOO_MANY_REQUESTS,
        Refusal.UNAVAILABLE,
    ),
)
async def refresh(request: Request) -> Response:
    """Exchange a refresh token for its successor and a new access token (RFC 6749 section 6)."""
    cases = use_cases(request)
    token, client = await _refresh_token(request)
    if token is None:
        raise Refused(Refusal.REFRESH_TOKEN_MISSING)
    try:
        return tokens(await cases.refresh(token, client, visitor(request)))
    except Refused as refused:
        response = problems.refused(refused)
        if client is ClientKind.BROWSER and refused.refusal in _FINAL:
            cookies.clear(response)
        return response


@router.post(
    "/logout",
    status_code=204,
    openapi_extra=documented(RefreshTokenBody, required=False),
    responses=answers(None, Refusal.CROSS_SITE_REQUEST, Refusal.INVALID_REQUEST, Refusal.UNAVAILABLE),
)
async def logout(request: Request) -> Response:
    """End the session of the refresh token or the access token, or of both."""
    cases = use_cases(request)
    token, _ = await _refresh_token(request)
    await cases.logout(token, bearer(request.headers), visitor(request))
    response = Response(status_code=204, headers={"Cache-Control": "no-store"})
    cookies.clear(response)
    return response


@router.post(
    "/logout/all",
    status_code=204,
    openapi_extra=documented(RefreshTokenBody, required=False),
    responses=answers(
        None,
        Refusal.INVALID_TOKEN,
        Refusal.CROSS_SITE_REQUEST,
        Refusal.INVALID_REQUEST,
        Refusal.UNAVAILABLE,
    ),
)
async def logout_everywhere(request: Request) -> Response:
    """End every session of the account that the refresh token or the access token speaks for."""
    cases = use_cases(request)
    token, _ = await _refresh_token(request)
    await cases.logout_everywhere(token, bearer(request.headers), visitor(request))
    response = Response(status_code=204, headers={"Cache-Control": "no-store"})
    cookies.clear(response)
    return response


def bearer(headers: Headers) -> str | None:
    """The access token of the ``Authorization`` header (RFC 6750 section 2.1)."""
    presented = headers.getlist("authorization")
    scheme, _, token = presented[0].partition(" ") if len(presented) == 1 else ("", "", "")
    return token if scheme.lower() == "bearer" else None


def require_bearer(headers: Headers) -> str:
    """The access token, which there must be."""
    token = bearer(headers)
    if token is None:
        raise Refused(Refusal.INVALID_TOKEN)
    return token


async def _refresh_token(request: Request) -> tuple[str | None, ClientKind]:
    """The refresh token and the way it came; both ways at once are refused."""
    cookie = cookies.presented(request.headers)
    if cookie is not None:
        use_cases(request).origins.require_same_site(request.headers)
    body = await read(request, RefreshTokenBody)
    if cookie is not None and body is not None:
        raise Refused(Refusal.INVALID_REQUEST)
    return (cookie, ClientKind.BROWSER) if body is None else (body.refresh_token, ClientKind.NATIVE)


def tokens(pair: TokenPair) -> Response:
    """The answer with new tokens: a refresh token travels back only the way it came."""
    minted = pair.access_token
    body = {"access_token": minted.text, "token_type": "Bearer", "expires_in": minted.expires_in}
    if pair.client is ClientKind.NATIVE:
        body |= {"refresh_token": pair.refresh_token, "refresh_expires_in": minted.session_expires_in}
        body |= {} if pair.device is None else {"device_token": pair.device}
    response = Response(
        orjson.dumps(body), headers={"Cache-Control": "no-store"}, media_type="application/json"
    )
    if pair.client is ClientKind.BROWSER:
        cookies.give(response, pair.refresh_token, minted.session_expires_in)
        if pair.device is not None:
            cookies.give_device(response, pair.device)
    return response
