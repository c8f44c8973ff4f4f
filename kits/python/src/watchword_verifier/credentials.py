"""The verifier's own access token, with which it listens to the feed (RFC 6749 section 4.4)."""

from base64 import b64encode
from dataclasses import dataclass, field
from urllib.parse import quote_plus

from watchword_verifier.clock import Clock
from watchword_verifier.discovery import Discovery, json_object
from watchword_verifier.errors import FetchError
from watchword_verifier.fetching import Http

SCOPE = "revocations:read"
_MAX_ANSWER = 32 * 1024
_MARGIN = 30.0
"""Seconds before its expiry at which a token is replaced."""


@dataclass(frozen=True, slots=True)
class ClientCredentials:
    """How the verifier itself signs in at the issuer."""

    client_id: str
    secret: str = field(repr=False)

    def authorization(self) -> str:
        """``client_secret_basic``, both parts form-encoded first (RFC 6749 section 2.3.1)."""
        pair = f"{quote_plus(self.client_id)}:{quote_plus(self.secret)}"
        return f"Basic {b64encode(pair.encode()).decode()}"


class ClientToken:
    """An access token of the client, asked for when it is needed."""

    def __init__(
        self, credentials: ClientCredentials, issuer: str, http: Http, discovery: Discovery, clock: Clock
    ) -> None:
        self._credentials = credentials
        self._default_endpoint = f"{issuer.removesuffix('/')}/token"
        self._http = http
        self._discovery = discovery
        self._clock = clock
        self._token = ""
        self._ends_at = 0.0

    async def get(self) -> str:
        """A token that has not expired.

        Raises:
            FetchError: The issuer gives none.
        """
        if self._clock.monotonic() >= self._ends_at:
            await self._ask()
        return self._token

    def discard(self) -> None:
        """Ask for another one next time: this one was refused."""
        self._ends_at = 0.0

    async def _ask(self) -> None:
        endpoint = (await self._discovery.metadata()).token_endpoint or self._default_endpoint
        asked_at = self._clock.monotonic()
        body = await self._http.post_form(
            endpoint,
            {"grant_type": "client_credentials", "scope": SCOPE},
            {"Authorization": self._credentials.authorization(), "Accept": "application/json"},
            max_bytes=_MAX_ANSWER,
        )
        answer = json_object(body)
        token, kind, lifetime = (answer.get(name) for name in ("access_token", "token_type", "expires_in"))
        if not isinstance(token, str) or not isinstance(kind, str) or kind.lower() != "bearer":
            raise FetchError("the token endpoint gave no bearer token")
        if not token.isascii() or not token.isprintable() or " " in token:
            raise FetchError("the token endpoint gave no bearer token")
        if type(lifetime) is not int or lifetime <= 0:
            lifetime = int(2 * _MARGIN)
        self._token, self._ends_at = token, asked_at + max(lifetime - _MARGIN, lifetime / 2)
