"""Accounts: ``GET /me``."""

from dataclasses import dataclass

from starlette.responses import Response

from app.domain.refusals import Refusal
from app.http.answers import Account, private
from app.http.routing import Answer, Bearer, Call, Routes
from app.services.owner.caller import WhoAmI


@dataclass(frozen=True, slots=True)
class AccountCases:
    """The use cases of these routes."""

    who_am_i: WhoAmI


route = Routes(AccountCases, "accounts", "The account of the caller.")


@route.get("/me", Answer("The account.", Account), bearer=Bearer.REQUIRED, refuses=(Refusal.UNAVAILABLE,))
async def me(call: Call[AccountCases, None]) -> Response:
    """Answer the account that the access token belongs to."""
    account = (await call.cases.who_am_i(call.access_token)).account
    return private(Account(account.id, account.email, account.roles, account.created_at))
