"""Forms of the OAuth endpoints, and the credentials of the clients that send them."""

from base64 import b64decode
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal
from urllib.parse import parse_qsl, unquote_plus

from pydantic import ConfigDict, Field
from pydantic.json_schema import SkipJsonSchema

from app.features.clients.domain import OAuthErrorCode, OAuthRefused
from app.features.clients.services.authenticate import Credentials, JwtCredentials, SecretCredentials
from app.http.answers import Omittable
from app.http.bodies import Body, BodyReader
from app.http.front.incoming import Incoming
from app.http.headers import Headers

FORM = "application/x-www-form-urlencoded"
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_MOST_FIELDS = 64


class ClientForm(Body):
    """A form of a client, maybe with an assertion (RFC 7523 section 2.2). Other parameters are ignored."""

    model_config = ConfigDict(extra="ignore")

    client_assertion_type: (
        Literal["urn:ietf:params:oauth:client-assertion-type:jwt-bearer"] | SkipJsonSchema[None]
    ) = Field(None, description="With `client_assertion` only.")
    client_assertion: Omittable = Field(
        None, description="A JWT that the client has signed, instead of the secret (`private_key_jwt`)."
    )
    client_id: Omittable = Field(None, description="The client that the credentials belong to.")


class TokenForm(ClientForm):
    """A request for an access token of a service client (RFC 6749 section 4.4.2)."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"grant_type": "client_credentials", "scope": "introspect"}]}
    )

    grant_type: Literal["client_credentials"]
    scope: Omittable = Field(
        None, description="The scopes to ask for, separated by spaces. Without it, all scopes of the client."
    )


class IntrospectionForm(ClientForm):
    """A question about a token (RFC 7662 section 2.1)."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"token": "eyJhbGciOi…"}]})

    token: str = Field(min_length=1, description="An access token or a refresh token.")
    token_type_hint: Omittable = Field(None, description="Not needed: the token says what it is.")


class RevocationForm(ClientForm):
    """A token that its holder ends (RFC 7009 section 2.1)."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"token": "wwr_AUk3…"}]})

    token: str = Field(min_length=1, description="An access token or a refresh token.")
    token_type_hint: Omittable = Field(None, description="Not needed: the token says what it is.")


@dataclass(frozen=True, slots=True)
class Form:
    """The parameters of a form that have a value, or what is wrong with the form."""

    parameters: Mapping[str, str]
    fault: str | None = None

    def require_valid(self) -> None:
        """Refuse a form that cannot be read, in the words of the endpoint."""
        if self.fault is not None:
            raise OAuthRefused(OAuthErrorCode.INVALID_REQUEST, self.fault)

    def get(self, name: str) -> str | None:
        """The value of a parameter; None as well for an empty one (RFC 6749 section 3.2)."""
        return self.parameters.get(name)


def form(documented: type[ClientForm]) -> BodyReader[Form]:
    """The reader of a form with the parameters of this class; its handler refuses what is wrong."""

    async def read(request: Incoming, _: bool) -> Form:  # noqa: FBT001 - as BodyReader calls it
        kind = request.headers.get("content-type").partition(";")[0].strip().lower()
        if kind != FORM:
            return Form({}, f"The content type of the body must be {FORM}.")
        return parse(await request.body(), documented.model_fields.keys())

    return BodyReader(read, documented, is_required=True, media_type=FORM)


def parse(body: bytes, names: Collection[str]) -> Form:
    """The parameters with these names, each of which comes once at most (RFC 6749 section 3.2)."""
    try:
        pairs = parse_qsl(
            body.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=_MOST_FIELDS
        )
    except ValueError:
        return Form({}, "The body is no form.")
    known = [(name, value) for name, value in pairs if name in names]
    parameters = dict(known)
    if len(parameters) != len(known):
        return Form({}, "A parameter is repeated.")
    return Form({name: value for name, value in parameters.items() if value})


def credentials(headers: Headers, form: Form) -> Credentials | None:
    """The credentials of a client, or None without any; two ways at once are refused (section 2.3)."""
    form.require_valid()
    presented = headers.getlist("authorization")
    assertion, kind = form.get("client_assertion"), form.get("client_assertion_type")
    if len(presented) > 1 or (presented and (assertion or kind)):
        raise OAuthRefused(OAuthErrorCode.INVALID_REQUEST, "The client authenticates in more than one way.")
    if presented:
        found = _basic(presented[0])
        if form.get("client_id") not in {None, found.client_id}:
            raise OAuthRefused(
                OAuthErrorCode.INVALID_REQUEST, "The credentials and client_id name two clients."
            )
        return found
    if not assertion and not kind:
        return None
    if not assertion or kind != ASSERTION_TYPE:
        raise OAuthRefused(
            OAuthErrorCode.INVALID_CLIENT, "The assertion is missing, or has a type that is not supported."
        )
    return JwtCredentials(assertion, form.get("client_id"))


def _basic(header: str) -> SecretCredentials:
    """The credentials of HTTP Basic, of which each part is form-urlencoded first (RFC 6749 section 2.3.1)."""
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic":
        raise OAuthRefused(
            OAuthErrorCode.INVALID_CLIENT, "The client has to authenticate with Basic or an assertion."
        )
    try:
        user, colon, password = b64decode(encoded.strip(), validate=True).decode().partition(":")
        credentials = SecretCredentials(_unquoted(user), _unquoted(password))
    except ValueError:
        raise OAuthRefused(OAuthErrorCode.INVALID_CLIENT, "The header Authorization is malformed.") from None
    if not colon:
        raise OAuthRefused(OAuthErrorCode.INVALID_CLIENT, "The header Authorization is malformed.")
    return credentials


def _unquoted(part: str) -> str:
    return unquote_plus(part, errors="strict")
