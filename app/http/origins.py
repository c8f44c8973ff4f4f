"""Origins: cross-site requests are refused where a browser's cookie would authenticate them.

See OWASP's CSRF prevention cheat sheet, and Fetch Metadata.
"""

from collections.abc import Iterable
from urllib.parse import urlsplit

from starlette.datastructures import Headers

from app.domain.refusals import Refusal, Refused


class Origins:
    """The origins whose pages may act for their users: the issuer's own and those allowed."""

    def __init__(self, issuer: str, allowed: Iterable[str]) -> None:
        url = urlsplit(issuer)
        self.allowed = frozenset(allowed)
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
            raise Refused(Refusal.CROSS_SITE_REQUEST)


def is_browser(headers: Headers) -> bool:
    """Whether a page in a browser sent the request."""
    return "origin" in headers or "sec-fetch-site" in headers
