"""Passwords: ``POST /password``."""

from dataclasses import dataclass

from starlette.responses import Response

from app.domain.refusals import Refusal
from app.http.answers import TokenResponse
from app.http.bodies import PasswordBody, required
from app.http.credentials import tokens
from app.http.origins import is_browser
from app.http.problems import FieldError, InvalidRequest
from app.http.routing import Answer, Bearer, Call, Routes, SameSite
from app.services.owner.caller import WhoAmI
from app.services.owner.password import ChangePassword
from app.services.password_rules import WeakPassword


@dataclass(frozen=True, slots=True)
class PasswordCases:
    """The use cases of these routes."""

    change_password: ChangePassword
    who_am_i: WhoAmI


route = Routes(PasswordCases, "passwords", "Changing the password.")


@route.post(
    "/password",
    Answer("The password is changed, and a new session is open.", TokenResponse, headers=("Set-Cookie",)),
    body=required(PasswordBody),
    bearer=Bearer.REQUIRED,
    same_site=SameSite.ALWAYS,
    refuses=(
        Refusal.INVALID_CREDENTIALS,
        Refusal.TOO_MANY_REQUESTS,
        Refusal.OVERLOADED,
        Refusal.UNAVAILABLE,
    ),
)
async def change_password(call: Call[PasswordCases, PasswordBody]) -> Response:
    """Change the password, end every session of the account, and open a new one of the same kind."""
    device = call.cookies.presented_device(call.headers) or ""
    if is_browser(call.headers):
        caller = await call.cases.who_am_i(call.access_token)
        call.origins.require_fit(call.headers, caller.token.client)
    try:
        pair = await call.cases.change_password(
            call.access_token, call.body.current_password, call.body.new_password, call.visitor, device
        )
    except WeakPassword as weak:
        reason, advice = weak.objection.weakness.value, weak.objection.advice
        raise InvalidRequest(FieldError("new_password", reason, advice=advice)) from None
    return tokens(pair, call.cookies)
