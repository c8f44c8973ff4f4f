"""Bodies of requests: what each holds, and how it is read."""

import re
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Annotated, Generic, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import PydanticCustomError
from starlette.exceptions import HTTPException

from app.domain.accounts import normalise_email
from app.domain.sessions import ClientKind
from app.http.answers import JSON
from app.http.front.incoming import Incoming
from app.http.problems import FieldError, InvalidRequest


def _address(text: str) -> str:
    """The canonical form of an e-mail address, which every account has."""
    email = normalise_email(text)
    if email is None:
        raise PydanticCustomError("email", "must be an e-mail address")
    return email


class Body(BaseModel):
    """A body, of which unknown fields are refused and no input is repeated."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


class LoginBody(Body):
    """Credentials, and the kind of client that sends them."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"email": "alice@example.com", "password": "an old sentence of my own"},
                {
                    "email": "alice@example.com",
                    "password": "an old sentence of my own",
                    "client": "native",
                    "device_token": "",
                },
            ]
        }
    )

    email: Annotated[str, AfterValidator(_address), Field(json_schema_extra={"format": "email"})]
    password: Annotated[str, Field(repr=False)]
    client: Annotated[
        ClientKind,
        Field(
            description="How the refresh token travels: in a cookie (`browser`) or in bodies (`native`). "
            "Without this field the client is a browser."
        ),
    ] = ClientKind.BROWSER
    device_token: Annotated[
        str | None,
        Field(
            repr=False,
            description="For native clients: the `device_token` that the last login answered. "
            "Send an empty one at first, and the answer holds the one to send next time.",
        ),
    ] = None


class RefreshTokenBody(Body):
    """A native client's refresh token."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"refresh_token": "wwr_AUk3…"}]})

    refresh_token: Annotated[str, Field(repr=False)]


class PasswordBody(Body):
    """The present password and the new one."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "current_password": "an old sentence of my own",
                    "new_password": "an unusual sentence of my own",
                }
            ]
        }
    )

    current_password: Annotated[str, Field(repr=False)]
    new_password: Annotated[str, Field(repr=False)]


# What HTTP clients send for a script that gives them nothing to send.
_EMPTY_JSON = {b"", b"{}", b"null"}
_EMPTY = _EMPTY_JSON | {b"[]", b'""'}
# A longer name, or one of other letters, may be a secret in the wrong place.
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,31}", re.ASCII)
_MOST_ERRORS = 20
_AnyBody = TypeVar("_AnyBody", bound=Body)
_Read_co = TypeVar("_Read_co", covariant=True)


@dataclass(frozen=True, slots=True)
class BodyReader(Generic[_Read_co]):
    """How a route reads its body, and what OpenAPI says of it; ``form`` is None when there is no body.

    A body of another ``media_type`` than JSON is refused by its route, in the words of that route.
    """

    read: Callable[[Incoming, bool], Awaitable[_Read_co]]
    """Takes the request, and whether a token came in its headers."""
    form: type[Body] | None
    is_required: bool
    media_type: str = JSON


def required(form: type[_AnyBody]) -> BodyReader[_AnyBody]:
    """A body that must be there."""

    async def read(request: Incoming, _: bool) -> _AnyBody:  # noqa: FBT001 - as BodyReader calls it
        body = await _read(request, form)
        if body is None:
            raise InvalidRequest(FieldError("", "missing"))
        return body

    return BodyReader(read, form, is_required=True)


def optional(form: type[_AnyBody]) -> BodyReader[_AnyBody | None]:
    """A body that may be absent; the reader then answers None.

    Empty JSON, such as ``{}``, is absent too. Beside a token in a header, so is an empty body of any type.
    """

    async def read(request: Incoming, has_token: bool) -> _AnyBody | None:  # noqa: FBT001 - as BodyReader calls it
        body = (await request.body()).strip()
        if body in _EMPTY and (has_token or (body in _EMPTY_JSON and _is_json(request))):
            return None
        return await _read(request, form)

    return BodyReader(read, form, is_required=False)


def _is_json(request: Incoming) -> bool:
    """A form of another site cannot send this type: a page needs a preflight for it."""
    return request.headers.get("content-type").partition(";")[0].strip().lower() == JSON


async def _read(request: Incoming, form: type[_AnyBody]) -> _AnyBody | None:
    """The body, or None when there is none; 415 for a body that is not JSON.

    The errors of a refused body name fields: no value of it is ever sent back.
    """
    body = await request.body()
    if not body and "content-type" not in request.headers:
        return None
    if not _is_json(request):
        raise HTTPException(415)
    if not body:
        return None
    try:
        return form.model_validate_json(body)
    except ValidationError as error:
        raise InvalidRequest(*_field_errors(form, error)) from None


def _field_errors(form: type[Body], error: ValidationError) -> Iterator[FieldError]:
    """What is wrong, without any value. Of the names that a client made up, only short ones are repeated."""
    for problem in error.errors(include_url=False, include_input=False)[:_MOST_ERRORS]:
        name, reason = str(problem["loc"][0]) if problem["loc"] else "", problem["type"]
        if reason == "extra_forbidden":
            yield FieldError(name if _NAME.fullmatch(name) else "", reason, tuple(form.model_fields))
        else:
            annotation = form.model_fields[name].annotation if name else None
            yield FieldError(name, reason, _values(annotation) if reason == "enum" else None)


def _values(annotation: object) -> tuple[str, ...] | None:
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return tuple(member.value for member in annotation)
    return None
