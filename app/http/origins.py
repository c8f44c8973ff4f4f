"""Cross-site requests: refused wherever a browser's cookie would act (OWASP CSRF, Fetch Metadata)."""

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
        """Refuse what another site's page sent.

        ``Sec-Fetch-Site`` decides, which no script can set; browsers that lack it send ``Origin`` with
        every POST; what has neither is not a browser.
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
    """Whether the request plainly comes from a page in a browser."""
    return "origin" in headers or "sec-fetch-site" in headers
