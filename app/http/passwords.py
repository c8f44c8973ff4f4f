"""``POST /password``."""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from app.domain.refusals import Refusal, Refused
from app.domain.sessions import ClientKind
from app.http import cookies
from app.http.openapi import BEARER, answers
from app.http.origins import is_browser
from app.http.problems import InvalidField
from app.http.schemas import InvalidBody, PasswordBody, TokenResponse, documented, require
from app.http.sessions import require_bearer, tokens
from app.http.use_cases import use_cases
from app.http.visitors import visitor
from app.services.password_rules import WeakPassword

router = APIRouter(tags=["passwords"])


@router.post(
    "/password",
    openapi_extra=documented(PasswordBody, required=True) | {"security": [BEARER]},
    responses=answers(
        TokenResponse,
        Refusal.INVALID_TOKEN,
        Refusal.INVALID_CREDENTIALS,
        Refusal.CROSS_SITE_REQUEST,
        Refusal.INVALID_REQUEST,
        Refusal.TOO_MANY_REQUESTS,
        Refusal.OVERLOADED,
        Refusal.UNAVAILABLE,
    ),
)
async def change_password(request: Request) -> Response:
    """Change the password, end every session of the account, and open a new one of the same kind."""
    cases, access_token = use_cases(request), require_bearer(request.headers)
    cases.origins.require_same_site(request.headers)
    device = cookies.presented(request.headers, cookies.DEVICE_NAME) or ""
    passwords = await require(request, PasswordBody)
    if is_browser(request.headers) and (await cases.who_am_i(access_token)).token.client is ClientKind.NATIVE:
        # As at a login: a page must not get hold of a refresh token.
        raise Refused(Refusal.INVALID_REQUEST)
    try:
        pair = await cases.change_password(
            access_token, passwords.current_password, passwords.new_password, visitor(request), device
        )
    except WeakPassword as weak:
        reason, advice = weak.objection.weakness.value, weak.objection.advice
        raise InvalidBody((InvalidField("new_password", reason, advice),)) from None
    return tokens(pair)
