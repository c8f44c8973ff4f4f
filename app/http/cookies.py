"""The one cookie: a browser's refresh token, where no script and no other site can reach it."""

from collections.abc import Iterable

from starlette.datastructures import Headers
from starlette.responses import Response

from app.domain.refusals import Refusal, Refused

NAME = "__Host-refresh_token"
# The prefix binds the cookie to this host, over https, for every path (RFC 6265bis section 4.1.3.2).
_ATTRIBUTES = "; Path=/; HttpOnly; Secure; SameSite=Strict"


def presented(headers: Headers) -> str | None:
    """The refresh token that came by cookie; two of them are refused, since one may have been planted."""
    values = list(_values(headers.getlist("cookie")))
    if len(values) > 1:
        raise Refused(Refusal.INVALID_REQUEST)
    return values[0] if values else None


def give(response: Response, refresh_token: str, max_age: int) -> None:
    """Hand the browser its refresh token for ``max_age`` seconds."""
    response.headers.append("Set-Cookie", f"{NAME}={refresh_token}; Max-Age={max_age}{_ATTRIBUTES}")


def clear(response: Response) -> None:
    """Take the cookie away; a browser replaces only what has the same name, path and flags."""
    response.headers.append("Set-Cookie", f"{NAME}=; Max-Age=0{_ATTRIBUTES}")


def _values(headers: Iterable[str]) -> Iterable[str]:
    for header in headers:
        for pair in header.split(";"):
            name, separator, value = pair.strip().partition("=")
            if name == NAME and separator:
                yield value
