"""Discovery: the service's metadata at the standard paths, so that a client needs only the issuer's URL."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

from starlette.responses import Response

from app.domain.keys import Algorithm
from app.domain.refusals import Refusal
from app.http.answers import JSON, Metadata, encode
from app.http.keys import NOT_MODIFIED, PUBLIC, published
from app.http.routing import Answer, Call, Routes
from app.services.keys import KeyRing, validator

_OAUTH = "/.well-known/oauth-authorization-server"


@dataclass(frozen=True, slots=True)
class DiscoveryCases:
    """The use cases of these routes."""

    keys: KeyRing


def routes(issuer: str, metadata: Mapping[str, Any]) -> Routes[DiscoveryCases]:
    """The routes of this issuer, whose own path follows the well-known one (RFC 8414 section 3.1).

    ``metadata`` is what the features add: fields of ``Metadata`` by name.
    """
    # There is no authorization endpoint, so there are no response types. Without a feature that grants
    # something there is no token endpoint either.
    supported = {"response_types_supported": (), "grant_types_supported": (), **metadata}
    jwks_uri = f"{issuer.removesuffix('/')}/.well-known/jwks.json"
    route = Routes(DiscoveryCases, "discovery", "The service's metadata at the standard paths.")

    def serve(call: Call[DiscoveryCases, None]) -> Response:
        # Verifiers of access tokens read the algorithms too. A standby's is listed before it signs.
        return published(call.headers, *document(call.cases.keys.key_set().algorithms), JSON)

    @lru_cache(1)
    def document(algorithms: tuple[Algorithm, ...]) -> tuple[bytes, str]:
        encoded = encode(
            Metadata(
                issuer=issuer,
                jwks_uri=jwks_uri,
                subject_types_supported=("public",),
                id_token_signing_alg_values_supported=algorithms,
                **supported,
            )
        )
        return encoded, validator(encoded)

    described = Answer("The metadata.", Metadata, headers=PUBLIC)

    @route.get("/.well-known/openid-configuration", described, NOT_MODIFIED, refuses=(Refusal.UNAVAILABLE,))
    async def openid_configuration(call: Call[DiscoveryCases, None]) -> Response:
        """Answer the service's metadata (OpenID Connect Discovery 1.0 section 3)."""
        return serve(call)

    @route.get(_OAUTH, described, NOT_MODIFIED, refuses=(Refusal.UNAVAILABLE,))
    async def oauth_metadata(call: Call[DiscoveryCases, None]) -> Response:
        """Answer the service's metadata (RFC 8414 section 2)."""
        return serve(call)

    if path := urlsplit(issuer).path.removesuffix("/"):

        @route.get(_OAUTH + path, described, NOT_MODIFIED, refuses=(Refusal.UNAVAILABLE,))
        async def oauth_metadata_of_issuer(call: Call[DiscoveryCases, None]) -> Response:
            """Answer the service's metadata at the path of an issuer that has one (RFC 8414 section 3.1)."""
            return serve(call)

    return route
