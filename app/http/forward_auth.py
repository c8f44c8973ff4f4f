"""Forward authentication: ``GET /verify``, which a proxy asks before it passes a request on."""

from dataclasses import dataclass
from urllib.parse import quote

from starlette.responses import Response

from app.domain.access_tokens import AccessToken, SessionToken
from app.domain.refusals import Refusal
from app.http.routing import Answer, Bearer, Call, Routes
from app.services.access_tokens import Authenticate

IDENTITY = ("X-Auth-Subject", "X-Auth-Session", "X-Auth-Roles", "X-Auth-Scope")
"""The headers of every permission. A proxy may leave the client's own header in place of an absent one."""


@dataclass(frozen=True, slots=True)
class ForwardAuthCases:
    """The use cases of these routes."""

    authenticate: Authenticate


route = Routes(ForwardAuthCases, "forward authentication", "For proxies in front of other services.")


@route.get(
    "/verify",
    Answer(
        "The access token is valid. Every header is present, and empty where it does not apply.",
        headers=IDENTITY,
    ),
    bearer=Bearer.REQUIRED,
    refuses=(Refusal.UNAVAILABLE,),
    forwarded=True,
)
async def verify(call: Call[ForwardAuthCases, None]) -> Response:
    """Tell a proxy whether the access token of a request is valid, and whose it is.

    Any other method, and any path below `/verify/`, is answered in the same way.
    Neither they nor the headers about the forwarded request change the answer: only the access token does.
    503 means that the service cannot know.
    """
    token = await call.cases.authenticate(call.access_token)
    headers = dict(zip(IDENTITY, _identity(token), strict=True))
    return Response(headers={"Cache-Control": "no-store", **headers})


def _identity(token: AccessToken) -> tuple[str, str, str, str]:
    """The values of the headers, which are visible ASCII: ids and scopes are no other text (RFC 6749)."""
    if isinstance(token, SessionToken):
        return str(token.account_id), str(token.session_id), ",".join(map(_role, token.roles)), ""
    return token.client_id, "", "", " ".join(token.scopes)


def _role(role: str) -> str:
    """The role as it is, unless SQL gave it a character that no role has, such as a comma or a line break.

    Such a character is percent-encoded (RFC 3986 section 2.1), so it makes no second role and no header.
    """
    return quote(role, safe=":")
