"""What the service offers, told in the standard places, so that the issuer's URL is all that one needs."""

from hashlib import sha256
from urllib.parse import urlsplit

import orjson
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from app.domain.refusals import Refusal
from app.http.keys import UNCHANGED, published
from app.http.openapi import answers
from app.http.schemas import MetadataResponse
from app.http.use_cases import use_cases

_OPENID = "/.well-known/openid-configuration"
_OAUTH = "/.well-known/oauth-authorization-server"


def router(issuer: str) -> APIRouter:
    """The routes of this issuer; a path that it has follows the well-known one (RFC 8414 section 3.1)."""

    async def metadata(request: Request) -> Response:
        """The service's metadata (RFC 8414 section 2, OpenID Connect Discovery 1.0 section 3).

        It has no authorization and no token endpoint, and so neither grants nor response types.
        """
        document = orjson.dumps(
            {
                "issuer": issuer,
                "jwks_uri": f"{issuer.removesuffix('/')}/.well-known/jwks.json",
                "response_types_supported": [],
                "grant_types_supported": [],
                "subject_types_supported": ["public"],
                # Verifiers of access tokens go by it too; a standby's algorithm is here before it signs.
                "id_token_signing_alg_values_supported": use_cases(request).keys.key_set().algorithms,
            }
        )
        return published(request, document, f'"{sha256(document).hexdigest()[:32]}"', "application/json")

    routes = APIRouter(tags=["discovery"])
    for path in dict.fromkeys((_OPENID, _OAUTH, _OAUTH + urlsplit(issuer).path.removesuffix("/"))):
        routes.add_api_route(
            path, metadata, responses=UNCHANGED | answers(MetadataResponse, Refusal.UNAVAILABLE)
        )
    return routes
