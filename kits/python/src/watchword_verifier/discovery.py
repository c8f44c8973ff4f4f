"""The issuer's metadata: where its keys, lists and token endpoint are (RFC 8414)."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from watchword_verifier.clock import Clock
from watchword_verifier.errors import FetchError
from watchword_verifier.fetching import Document, Http

MAX_METADATA = 64 * 1024
_NOT_THERE = range(400, 500)
KEPT_FOR = 3600.0
"""Seconds; after them the metadata is fetched again, and kept when that fails."""


@dataclass(frozen=True, slots=True)
class Metadata:
    """What of the metadata is used here."""

    jwks_uri: str
    token_endpoint: str | None
    status_lists: str | None
    """``status_list_aggregation_endpoint`` (draft-ietf-oauth-status-list section 9.2)."""


class Discovery:
    """The metadata of one issuer, as last fetched."""

    def __init__(self, issuer: str, http: Http, clock: Clock, *, jwks_url: str | None = None) -> None:
        """With ``jwks_url``, an issuer without metadata will do: nothing is asked."""
        self._issuer = issuer
        self._http = http
        self._clock = clock
        self._fixed = Metadata(jwks_url, None, None) if jwks_url else None
        self._last: Metadata | None = None
        self._fetched_at = 0.0

    async def metadata(self) -> Metadata:
        """The metadata, fetched when there is none or it is old.

        Raises:
            FetchError: There is none, and it cannot be fetched.
        """
        if self._fixed is not None:
            return self._fixed
        if self._last is None or self._clock.monotonic() - self._fetched_at >= KEPT_FOR:
            try:
                self._last = await self._fetch()
                self._fetched_at = self._clock.monotonic()
            except FetchError:
                if self._last is None:
                    raise
        return self._last

    async def _fetch(self) -> Metadata:
        oauth, openid = well_known(self._issuer)
        try:
            document = await self._document(oauth)
        except FetchError as error:
            if error.status not in _NOT_THERE:
                raise
            document = await self._document(openid)
        # RFC 8414 section 3.3: else another issuer's keys could be taken for this one's.
        if document.get("issuer") != self._issuer:
            raise FetchError("the metadata is of another issuer")
        if (jwks_uri := _url(document, "jwks_uri")) is None:
            raise FetchError("the metadata names no key set")
        return Metadata(
            jwks_uri, _url(document, "token_endpoint"), _url(document, "status_list_aggregation_endpoint")
        )

    async def _document(self, url: str) -> Mapping[str, object]:
        answer = await self._http.get(Document(url, "application/json", MAX_METADATA))
        return json_object(answer.body)


def well_known(issuer: str) -> tuple[str, str]:
    """Where the metadata is: of RFC 8414 section 3.1, and of OpenID Connect Discovery section 4."""
    parts = urlsplit(issuer)
    path = parts.path.removesuffix("/")
    origin = f"{parts.scheme}://{parts.netloc}"
    return (
        f"{origin}/.well-known/oauth-authorization-server{path}",
        f"{origin}{path}/.well-known/openid-configuration",
    )


def json_object(body: bytes | None) -> Mapping[str, object]:
    """The JSON object in the body of an answer.

    Raises:
        FetchError: It is something else.
    """
    try:
        value = json.loads(body or b"")
    except (ValueError, RecursionError):
        raise FetchError("the answer is not JSON") from None
    if not isinstance(value, dict):
        raise FetchError("the answer is not a JSON object")
    return value


def _url(document: Mapping[str, object], name: str) -> str | None:
    value = document.get(name)
    return value if isinstance(value, str) else None
