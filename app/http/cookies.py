"""Cookies: a browser's refresh token and device token, out of reach of scripts and other sites."""

from collections.abc import Iterable

from starlette.datastructures import Headers
from starlette.responses import Response

from app.domain.refusals import Refusal, Refused

NAME = "__Host-refresh_token"
DEVICE_NAME = "__Host-device"
_LONGEST_AGE = 400 * 24 * 60 * 60
"""Seconds. Browsers keep no cookie for longer (RFC 6265bis section 5.5)."""
# The prefix binds the cookie to this host, over https, for every path (RFC 6265bis section 4.1.3.2).
_ATTRIBUTES = "; Path=/; HttpOnly; Secure; SameSite=Strict"


def presented(headers: Headers, name: str = NAME) -> str | None:
    """The value of the cookie of this name. Two of them are refused, because one may have been planted."""
    values = list(_values(headers.getlist("cookie"), name))
    if len(values) > 1:
        raise Refused(Refusal.INVALID_REQUEST)
    return values[0] if values else None


def give(response: Response, refresh_token: str, max_age: int) -> None:
    """Set the browser's refresh token for ``max_age`` seconds."""
    response.headers.append("Set-Cookie", f"{NAME}={refresh_token}; Max-Age={max_age}{_ATTRIBUTES}")


def give_device(response: Response, device: str) -> None:
    """Set the browser's device token."""
    response.headers.append("Set-Cookie", f"{DEVICE_NAME}={device}; Max-Age={_LONGEST_AGE}{_ATTRIBUTES}")


def clear(response: Response) -> None:
    """Delete the refresh token. A browser replaces only a cookie of the same name, path and flags."""
    response.headers.append("Set-Cookie", f"{NAME}=; Max-Age=0{_ATTRIBUTES}")


def _values(headers: Iterable[str], name: str) -> Iterable[str]:
    for header in headers:
        for pair in header.split(";"):
            # Nothing else is white space: browsers let a name like "\u00a0__Host-x" be set by any subdomain.
            found, separator, value = pair.strip(" \t").partition("=")
            if found == name and separator:
                yield value
