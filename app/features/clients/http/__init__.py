"""The OAuth endpoints: ``POST /token``, ``POST /introspect`` and ``POST /revoke``."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from starlette.responses import Response

from app.domain.refusals import Refusal
from app.features.clients.crypto import ALGORITHMS
from app.features.clients.domain import OAuthErrorCode, OAuthRefused
from app.features.clients.http.answers import (
    REFUSED,
    UNPROVED,
    UNSCOPED,
    ClientAccessToken,
    Introspection,
    error,
    introspection,
    token,
)
from app.features.clients.http.forms import (
    Form,
    IntrospectionForm,
    RevocationForm,
    TokenForm,
    credentials,
    form,
)
from app.features.clients.services.introspect import Introspect
from app.features.clients.services.issue import GRANT, IssueToken
from app.features.clients.services.revoke import RevokeToken
from app.http.routing import Answer, Bearer, Call, Routes

_METHODS = ("client_secret_basic", "private_key_jwt")
_UNPROVED = "The client has to prove who it is."


@dataclass(frozen=True, slots=True)
class ClientCases:
    """The use cases of these routes."""

    issue_token: IssueToken
    introspect: Introspect
    revoke_token: RevokeToken


route = Routes(ClientCases, "clients", "Tokens of service clients, and what clients may do with tokens.")


@route.post(
    "/token",
    Answer("A new access token.", ClientAccessToken),
    REFUSED,
    UNPROVED,
    body=form(TokenForm),
    takes_basic=True,
    refuses=(Refusal.TOO_MANY_REQUESTS, Refusal.UNAVAILABLE),
)
async def issue_token(call: Call[ClientCases, Form]) -> Response:
    """Give an access token to a service client (RFC 6749 section 4.4).

    The client sends its id and secret with HTTP Basic, or an assertion in the form.
    There is no refresh token.
    """
    try:
        sender = credentials(call.headers, call.body)
        if sender is None:
            raise OAuthRefused(OAuthErrorCode.INVALID_CLIENT, _UNPROVED)
        grant_type, scope = call.body.get("grant_type"), call.body.get("scope")
        return token(await call.cases.issue_token(sender, grant_type, scope, call.visitor))
    except OAuthRefused as refused:
        return error(refused)


@route.post(
    "/introspect",
    Answer("Whether the token is active.", Introspection),
    REFUSED,
    UNPROVED,
    UNSCOPED,
    body=form(IntrospectionForm),
    bearer=Bearer.OPTIONAL,
    takes_basic=True,
    refuses=(Refusal.TOO_MANY_REQUESTS, Refusal.UNAVAILABLE),
)
async def introspect_token(call: Call[ClientCases, Form]) -> Response:
    """Say whether a token is active, and what it says (RFC 7662).

    For service clients with the scope `introspect`: they send their credentials as at `/token`, or an access
    token of their own.
    """
    try:
        call.body.require_valid()
        sender = call.bearer if call.bearer is not None else credentials(call.headers, call.body)
        if sender is None:
            raise OAuthRefused(OAuthErrorCode.INVALID_CLIENT, _UNPROVED)
        return introspection(await call.cases.introspect(sender, call.body.get("token"), call.visitor))
    except OAuthRefused as refused:
        return error(refused)


@route.post(
    "/revoke",
    Answer("The token is not valid any more, or never was."),
    REFUSED,
    UNPROVED,
    body=form(RevocationForm),
    takes_basic=True,
    refuses=(Refusal.TOO_MANY_REQUESTS, Refusal.UNAVAILABLE),
)
async def revoke_token(call: Call[ClientCases, Form]) -> Response:
    """Revoke an access token, or end the session of a refresh token (RFC 7009).

    The holder of a token of a session needs no credentials. A service client revokes its own tokens, and has
    to prove who it is.
    """
    try:
        sender = credentials(call.headers, call.body)
        client_id, presented = call.body.get("client_id"), call.body.get("token")
        await call.cases.revoke_token(sender, client_id, presented, call.visitor)
    except OAuthRefused as refused:
        return error(refused)
    return Response(headers={"Cache-Control": "no-store"})


def metadata(issuer: str) -> Mapping[str, Any]:
    """The fields that these routes add to the metadata of this issuer (RFC 8414 section 2)."""
    base, algorithms = issuer.removesuffix("/"), tuple(ALGORITHMS)
    return {
        "grant_types_supported": (GRANT,),
        "token_endpoint": f"{base}/token",
        "token_endpoint_auth_methods_supported": _METHODS,
        "token_endpoint_auth_signing_alg_values_supported": algorithms,
        "introspection_endpoint": f"{base}/introspect",
        # The last one is of the registry of access token types.
        "introspection_endpoint_auth_methods_supported": (*_METHODS, "Bearer"),
        "introspection_endpoint_auth_signing_alg_values_supported": algorithms,
        "revocation_endpoint": f"{base}/revoke",
        "revocation_endpoint_auth_methods_supported": ("none", *_METHODS),
        "revocation_endpoint_auth_signing_alg_values_supported": algorithms,
    }
