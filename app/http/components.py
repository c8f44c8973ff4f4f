"""Components of the OpenAPI document: schemas of bodies and answers, headers and security schemes."""

from collections.abc import Iterable
from typing import Any, Literal, TypeAlias

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from app.http.cookies import Cookies
from app.http.problems import Problem

Object: TypeAlias = dict[str, Any]
_HEADER_TEXTS = {
    "Cache-Control": "Whether caches may keep the answer.",
    "ETag": "The validator of the document, for `If-None-Match`.",
    "RateLimit": "The limit that is used up, and the seconds until it admits the next request.",
    "RateLimit-Policy": "The limits of the budget (draft-ietf-httpapi-ratelimit-headers).",
    "Retry-After": "Seconds to wait before the next attempt.",
    "Set-Cookie": "Sets or clears a browser's cookies.",
    "WWW-Authenticate": "The challenge (RFC 6750 section 3).",
    "X-Auth-Subject": "The account or the service client: the `sub` of the token.",
    "X-Auth-Session": "The session: the `sid` of the token. Empty for a service client.",
    "X-Auth-Roles": "The roles, with commas between them. Empty if there are none, and for a service client.",
    "X-Auth-Scope": "The scopes of a service client, with spaces between them. Empty for a session.",
    "X-Request-ID": "The id of the request in the service's log: the one that was sent, or a new one.",
}
HEADERS: Object = {
    name: {"description": text, "schema": {"type": "integer" if name == "Retry-After" else "string"}}
    for name, text in _HEADER_TEXTS.items()
}


class _JsonSchema(GenerateJsonSchema):
    """Pydantic's schemas without titles that repeat a name, and without defaults.

    Generators of clients make a field with a default required, though a request may leave it out.
    """

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ANN401, ARG002 - pydantic's signature
        """No field has a title."""
        return False

    def sort(self, value: JsonSchemaValue, parent_key: str | None = None) -> JsonSchemaValue:  # noqa: ARG002 - likewise
        """Fields and the keys of examples stay in their order."""
        return value

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        """The schema of the field alone."""
        return self.generate_inner(schema["schema"])


def schemas(bodies: Iterable[Any], answers: Iterable[Any], codes: list[str]) -> Object:
    """The schemas that bodies, answers and problems with these codes are made of, by name."""
    directions: dict[Any, Literal["validation", "serialization"]] = {
        **dict.fromkeys(bodies, "validation"),
        **dict.fromkeys((*answers, Problem), "serialization"),
    }
    inputs = [(kind, direction, TypeAdapter(kind)) for kind, direction in directions.items()]
    _, document = TypeAdapter.json_schemas(
        inputs, ref_template="#/components/schemas/{model}", schema_generator=_JsonSchema
    )
    found: Object = document["$defs"]
    found["ProblemCode"] = {
        "type": "string",
        "enum": codes,
        "description": "Why a request was refused. A release may add codes, and never changes one.",
    }
    found[Problem.__name__]["properties"]["code"] = reference("schemas", "ProblemCode")
    return dict(sorted(found.items()))


def security_schemes(cookies: Cookies) -> Object:
    """The ways to authenticate, by name."""
    return {
        "bearer": {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "JWT",
            "description": "The access token (RFC 6750 section 2.1).",
        },
        "refreshTokenCookie": {
            "type": "apiKey",
            "in": "cookie",
            "name": cookies.refresh_token,
            "description": "A browser's refresh token. The browser sends it by itself.",
        },
        "basic": {
            "type": "http",
            "scheme": "basic",
            "description": "The id and the secret of a service client, each form-urlencoded first "
            "(RFC 6749 section 2.3.1).",
        },
    }


def reference(kind: str, name: str) -> Object:
    """A reference to a component."""
    return {"$ref": f"#/components/{kind}/{name}"}
