"""Origins: which pages may use the service, and how.

Cross-site requests are refused where a browser's cookie would authenticate them.
See OWASP's CSRF prevention cheat sheet, and Fetch Metadata.
"""

from collections.abc import Iterable
from urllib.parse import urlsplit

import structlog

from app.domain.refusals import Refusal, Refused
from app.domain.sessions import ClientKind
from app.http.headers import Headers
from app.http.problems import FieldError, InvalidRequest

_LONGEST = 256
_ELSEWHERE = "serve the page on the site of AUTH_ISSUER"
_UNLISTED = "list the origin in AUTH_ALLOWED_ORIGINS"
_log = structlog.get_logger()
_NOT_NATIVE = (
    "A page signs in as a browser, which is the default. "
    "The origin of an app in a web view belongs in AUTH_NATIVE_ORIGINS."
)


class Origins:
    """The origins whose pages may use the service.

    Pages of the issuer and of ``allowed`` act with the cookies of their users.
    Pages of ``native`` are apps in a web view: they hold their tokens themselves and have no cookie.
    """

    def __init__(self, issuer: str, allowed: Iterable[str], native: Iterable[str] = ()) -> None:
        url = urlsplit(issuer)
        self.allowed = frozenset(allowed)
        self.native = frozenset(native)
        self._accepted = self.allowed | {f"{url.scheme}://{url.netloc}".lower()}

    def require_same_site(self, headers: Headers) -> None:
        """Refuse a request that a page of another site sent.

        ``Sec-Fetch-Site`` decides, because no script can set it. Browsers without it send ``Origin`` with
        every POST. A client that sends neither is not a browser.
        """
        sites, origins = headers.getlist("sec-fetch-site"), headers.getlist("origin")
        from_accepted = len(origins) == 1 and origins[0] in self._accepted
        if sites:
            passes = sites == ["same-origin"] or (sites == ["same-site"] and from_accepted)
        else:
            passes = not origins or from_accepted
        if not passes:
            _log.info(
                "http.cross_site_refused",
                origin=shortened(", ".join(origins)),
                sec_fetch_site=shortened(", ".join(sites)),
                mend=_ELSEWHERE if sites == ["cross-site"] else _UNLISTED,
            )
            raise Refused(Refusal.CROSS_SITE_REQUEST)

    def may_connect(self, headers: Headers) -> bool:
        """Whether a WebSocket may be opened: by a listed page or app, or by a client that is no page."""
        origins = headers.getlist("origin")
        return not origins or (len(origins) == 1 and origins[0] in self._accepted | self.native)

    def require_fit(self, headers: Headers, client: ClientKind) -> None:
        """Refuse a page that asks for the tokens of this kind of client and may not have them.

        A page must not get hold of a refresh token, which a native client reads in the body. The pages of an
        app in a web view are the exception.
        """
        if client is ClientKind.BROWSER:
            self.require_same_site(headers)
        elif is_browser(headers) and not self.is_native(headers):
            raise InvalidRequest(FieldError("client", "native_from_a_page", advice=_NOT_NATIVE))

    def is_native(self, headers: Headers) -> bool:
        """Whether a page of an app in a web view sent the request."""
        origins = headers.getlist("origin")
        return len(origins) == 1 and origins[0] in self.native


def is_browser(headers: Headers) -> bool:
    """Whether a page in a browser sent the request."""
    return "origin" in headers or "sec-fetch-site" in headers


def shortened(text: str) -> str:
    """A header's value for the log, with a question mark for what a terminal may obey or break a line at."""
    return "".join(letter if letter.isprintable() else "?" for letter in text[:_LONGEST])
