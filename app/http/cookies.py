"""Cookies: a browser's refresh token and device token, out of reach of scripts and other sites."""

from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

from starlette.responses import Response

from app.domain.hosts import LOOPBACK
from app.http.headers import Headers
from app.http.problems import FieldError, InvalidRequest

_LONGEST_AGE = 400 * 24 * 60 * 60
"""Seconds. Browsers keep no cookie for longer (RFC 6265bis section 5.5)."""
_ATTRIBUTES = "; Path=/; HttpOnly; SameSite=Strict"


@dataclass(frozen=True, slots=True)
class Cookies:
    """The names and the attributes of the cookies of one issuer."""

    refresh_token: str
    device: str
    is_secure: bool

    @classmethod
    def of(cls, issuer: str) -> "Cookies":
        """The strict cookies, or those of development for an issuer on http and a loopback address.

        The prefix binds a cookie to this host, over https, for every path (RFC 6265bis section 4.1.3.2).
        In development, Safari would discard it. The name has the port, because cookies do not know ports.
        """
        url = urlsplit(issuer)
        if url.scheme == "http" and url.hostname in LOOPBACK:
            port = url.port or 80
            return cls(f"refresh_token_{port}", f"device_{port}", is_secure=False)
        return cls("__Host-refresh_token", "__Host-device", is_secure=True)

    def presented(self, headers: Headers) -> str | None:
        """The refresh token of a browser."""
        return _only(headers, self.refresh_token)

    def presented_device(self, headers: Headers) -> str | None:
        """The device token of a browser."""
        return _only(headers, self.device)

    def give(self, response: Response, refresh_token: str, max_age: int) -> None:
        """Set the browser's refresh token for ``max_age`` seconds."""
        self._set(response, self.refresh_token, refresh_token, max_age)

    def give_device(self, response: Response, device: str) -> None:
        """Set the browser's device token."""
        self._set(response, self.device, device, _LONGEST_AGE)

    def clear(self, response: Response) -> None:
        """Delete the refresh token. A browser replaces only a cookie of the same name, path and flags."""
        self._set(response, self.refresh_token, "", 0)

    def _set(self, response: Response, name: str, value: str, max_age: int) -> None:
        secure = "; Secure" if self.is_secure else ""
        response.headers.append("Set-Cookie", f"{name}={value}; Max-Age={max_age}{_ATTRIBUTES}{secure}")


def _only(headers: Headers, name: str) -> str | None:
    """The value of the cookie of this name. Two of them are refused, because one may have been planted."""
    values = list(_values(headers.getlist("cookie"), name))
    if len(values) > 1:
        raise InvalidRequest(FieldError(name, "several_cookies"))
    return values[0] if values else None


def _values(headers: Iterable[str], name: str) -> Iterable[str]:
    for header in headers:
        for pair in header.split(";"):
            # Nothing else is white space: browsers let a name like "\u00a0__Host-x" be set by any subdomain.
            found, separator, value = pair.strip(" \t").partition("=")
            if found == name and separator:
                yield value
