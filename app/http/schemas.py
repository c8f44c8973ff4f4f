"""What travels: bodies in, bodies out, and how they are documented."""

from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, WithJsonSchema
from starlette.exceptions import HTTPException
from starlette.requests import Request

from app.domain.refusals import Refusal, Refused
from app.domain.sessions import ClientKind
from app.http.problems import InvalidField

_JSON = "application/json"


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


class LoginBody(_Body):
    """Credentials, and how the session's refresh token is to travel.

    A native client that sends ``device_token``, empty at first, is answered with the one to send next time.
    """

    email: str
    password: Annotated[str, Field(repr=False)]
    client: Annotated[ClientKind, WithJsonSchema({"type": "string", "enum": list(ClientKind)})]
    device_token: Annotated[str | None, Field(repr=False)] = None


class RefreshTokenBody(_Body):
    """A native client's refresh token."""

    refresh_token: Annotated[str, Field(repr=False)]


class PasswordBody(_Body):
    """The password that is now, and the one that is to be."""

    current_password: Annotated[str, Field(repr=False)]
    new_password: Annotated[str, Field(repr=False)]


class TokenResponse(BaseModel):
    """Tokens (RFC 6749 section 5.1); a browser finds its refresh token in the cookie only."""

    access_token: str
    token_type: Literal["Bearer"]
    expires_in: int
    refresh_token: str | None = None
    refresh_expires_in: int | None = None
    device_token: str | None = None


class AccountResponse(BaseModel):
    """The account as the service knows it."""

    id: str
    email: str
    roles: list[str]
    created_at: str


class SessionResponse(BaseModel):
    """A living session; ``user_agent`` is in words, such as ``Firefox on Linux``."""

    id: str
    client: Literal["browser", "native"]
    created_at: str
    last_used_at: str
    address: str | None
    user_agent: str | None
    current: bool


class SessionsResponse(BaseModel):
    """The account's living sessions, the one used last first."""

    sessions: Annotated[
        list[dict[str, Any]],
        WithJsonSchema({"type": "array", "items": SessionResponse.model_json_schema()}),
    ]


class KeySetResponse(BaseModel):
    """A JWK Set (RFC 7517 section 5): public keys, each with ``kty``, ``use``, ``alg`` and ``kid``."""

    keys: list[dict[str, str]]


class MetadataResponse(BaseModel):
    """Authorization server metadata (RFC 8414 section 2)."""

    issuer: str
    jwks_uri: str
    response_types_supported: list[str]
    grant_types_supported: list[str]
    subject_types_supported: list[str]
    id_token_signing_alg_values_supported: list[str]


class LivenessResponse(BaseModel):
    """The process answers."""

    status: Literal["alive"]


class ReadinessResponse(BaseModel):
    """Whether the service can work, and which of its parts do."""

    status: Literal["ready", "not ready"]
    postgres: Literal["ok", "failing"]
    keys: Literal["ok", "failing"]
    redis: Literal["ok", "failing"]


class ErrorResponse(BaseModel):
    """A field that was refused: why, for programs, and sometimes what to do about it, for people."""

    field: str
    reason: str
    advice: str | None = None


class ProblemResponse(BaseModel):
    """An error (RFC 9457); programs go by ``code``."""

    type: str
    title: str
    status: int
    code: str
    detail: str
    errors: Annotated[
        list[dict[str, str]] | None,
        WithJsonSchema({"type": "array", "items": ErrorResponse.model_json_schema()}),
    ] = None


class InvalidBody(Refused):
    """A body that is not of the route's form, and which of its fields are not."""

    def __init__(self, errors: tuple[InvalidField, ...]) -> None:
        super().__init__(Refusal.INVALID_REQUEST)
        self.errors = errors


_AnyBody = TypeVar("_AnyBody", bound=_Body)


async def read(request: Request, form: type[_AnyBody]) -> _AnyBody | None:
    """The request's body, or None when there is none; 415 for anything but JSON.

    The errors of a refused body name fields of ours only: its own text is never sent back.
    """
    body = await request.body()
    content_type = request.headers.get("content-type")
    if content_type is None and not body:
        return None
    if content_type is None or content_type.partition(";")[0].strip().lower() != _JSON:
        raise HTTPException(415)
    if not body:
        return None
    try:
        return form.model_validate_json(body)
    except ValidationError as error:
        raise InvalidBody(_fields(form, error)) from None


async def require(request: Request, form: type[_AnyBody]) -> _AnyBody:
    """The request's body, which there must be."""
    body = await read(request, form)
    if body is None:
        raise Refused(Refusal.INVALID_REQUEST)
    return body


def _fields(form: type[_Body], error: ValidationError) -> tuple[InvalidField, ...]:
    problems = [(problem["loc"][0] if problem["loc"] else "", problem["type"]) for problem in error.errors()]
    return tuple(InvalidField(str(name), kind) for name, kind in problems if name in form.model_fields)


def documented(form: type[_Body], *, required: bool) -> dict[str, Any]:
    """The OpenAPI description of a body that the route reads by itself."""
    content = {_JSON: {"schema": form.model_json_schema()}}
    return {"requestBody": {"content": content, "required": required}}
