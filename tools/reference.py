"""Writes the reference of settings, routes, refusals and events, which all come from the code.

Usage: PYTHONPATH=. python tools/reference.py FOLDER
"""

import os
import re
import secrets
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from enum import Enum
from http import HTTPStatus
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args, get_origin

from pydantic import TypeAdapter
from pydantic.fields import FieldInfo

from app.domain.event_meanings import ACTORS, DETAILS, MEANINGS, REASONS
from app.domain.refusals import SENTENCES, Refusal
from app.domain.throttling import Limit
from app.http.problems import FAILURES, STATUS
from app.http.problems import MEDIA_TYPE as PROBLEM
from app.main import create_app
from app.settings import PREFIX, Settings
from app.settings.values import Between

ISSUER = "https://auth.example.com"
REQUIRED = {
    "database_url": "postgresql://localhost/watchword",
    "redis_url": "redis://localhost:6379/0",
    "secret_keys": secrets.token_urlsafe(32),
    "issuer": ISSUER,
    "audience": ISSUER,
}
BY_THE_MACHINE = {"password_hash_threads": "all processors but one"}
"""Defaults that differ between machines."""
RETRIES = {
    HTTPStatus.REQUEST_TIMEOUT: "at once",
    HTTPStatus.TOO_MANY_REQUESTS: "after `Retry-After` seconds",
    HTTPStatus.SERVICE_UNAVAILABLE: "in a moment, or after `Retry-After` seconds",
}
"""When the same request may succeed later; with any other status it will not."""
COMMON = {failure.code for status, failure in FAILURES.items() if status is not HTTPStatus.NOT_FOUND}
"""Codes that every route may answer."""

Document: TypeAlias = Mapping[str, Any]


def pages() -> dict[str, str]:
    """The text of each page by its file name."""
    os.environ |= {f"{PREFIX}{name.upper()}": value for name, value in REQUIRED.items()}
    document = create_app().openapi()
    return {
        "README.md": "".join(_index()),
        "settings.md": "".join(_settings()),
        "routes.md": "".join(_routes(document)),
        "refusals.md": "".join(_refusals(document)),
        "events.md": "".join(_events()),
    }


def _index() -> Iterator[str]:
    yield _title("Reference")
    yield _table(
        ("page", "lists"),
        [
            ("[settings.md](settings.md)", "every setting with its default and its bounds"),
            ("[routes.md](routes.md)", "every route: what it takes, and what it answers"),
            ("[refusals.md](refusals.md)", "every `code` of an error, and whether a retry makes sense"),
            ("[events.md](events.md)", "every kind of security event"),
        ],
    )


def _settings() -> Iterator[str]:
    yield _title("Settings")
    yield """
Settings are environment variables.
`AUTH_X_FILE` names a file that holds the value of `AUTH_X`; only one of the two may be set.

- An empty variable counts as not set.
- White space around a value is removed, and then a pair of quotes.
- A duration is a number of seconds (`900`), a number with a unit (`15m`, `1h`, `30d`), or ISO 8601 (`PT15M`).
- A limit is a number and a duration (`20/PT1M`): so many within any window of that length.
- Items of a list are separated by commas or spaces.
"""
    for title, names in _groups().items():
        yield f"\n## {title}\n"
        yield _table(
            ("setting", "default", "takes", "meaning"),
            [_setting(name, Settings.model_fields[name]) for name in names],
        )


def _groups() -> dict[str, list[str]]:
    """The settings by the noun whose module declares them."""
    groups: dict[str, list[str]] = {}
    for kind in reversed(Settings.__mro__):
        title = (sys.modules[kind.__module__].__doc__ or "").partition("\n")[0]
        title = title.removeprefix("Settings of ").removesuffix(".").replace("``", "`")
        declared = vars(kind).get("__annotations__", {})
        if names := [name for name in Settings.model_fields if name in declared]:
            groups.setdefault(title[:1].upper() + title[1:], []).extend(names)
    return groups


def _setting(name: str, field: FieldInfo) -> tuple[str, str, str, str]:
    default = "required" if field.is_required() else BY_THE_MACHINE.get(name) or _default(field.default)
    return f"`{PREFIX}{name.upper()}`", default, _takes(field), field.description or ""


def _default(value: object) -> str:
    if value is None or value == ():
        return "none"
    values = value if isinstance(value, tuple) else (value,)
    return f"`{' '.join(map(_written, values))}`"


def _written(value: object) -> str:
    """A value as a variable would hold it."""
    match value:
        case bool():
            return "on" if value else "off"
        case timedelta():
            days = value // timedelta(days=1)
            return f"P{days}D" if days else str(TypeAdapter(timedelta).dump_python(value, mode="json"))
        case Limit():
            return f"{value.amount}/{_written(value.window)}"
        case Enum():
            return str(value.value)
        case _:
            return str(value)


def _takes(field: FieldInfo) -> str:
    kind: Any = field.annotation
    durations = [str(bounds) for bounds in field.metadata if isinstance(bounds, Between)]
    lowest = [str(bounds.ge) for bounds in field.metadata if hasattr(bounds, "ge")]
    highest = [str(bounds.le) for bounds in field.metadata if hasattr(bounds, "le")]
    if bounds := durations or lowest + highest:
        return " to ".join(bounds)
    if kind is bool:
        return "`on` or `off`"
    if isinstance(kind, type) and issubclass(kind, Enum):
        return _or(member.value for member in kind)
    if get_origin(kind) is Literal:
        return _or(get_args(kind))
    return "a list" if get_origin(kind) is tuple else "text"


def _routes(document: Document) -> Iterator[str]:
    yield _title("Routes")
    yield """
The same is in the OpenAPI document at `/openapi.json`.
Every route may also answer the [failures of HTTP itself](refusals.md#failures-of-http).
"""
    for method, path, operation in _operations(document):
        yield f"\n## {method} {path}\n\n{operation.get('summary', '').removesuffix('.')}.\n"
        if operation.get("description"):
            yield f"\n{operation['description']}\n"
        yield f"\n- Credentials: {_credentials(operation)}.\n"
        for parameter in operation.get("parameters", ()):
            text = parameter.get("description", "in the " + parameter["in"])
            yield f"- `{parameter['name']}`: {text.removesuffix('.')}.\n"
        if "requestBody" in operation:
            yield f"- Body: {_body(operation['requestBody'])}.\n"
        yield _table(("status", "answer"), _answers(document, operation))
    yield "\n## Bodies\n"
    for name, schema in document["components"]["schemas"].items():
        yield f"\n### {name}\n\n{schema.get('description', '')}\n"
        if "properties" in schema:
            yield _table(("field", "type", "meaning"), _fields(schema))
        elif "enum" in schema:
            yield f"\nOne of {_or(schema['enum'])}.\n"
        else:
            yield f"\n{_type(schema)}.\n"


def _fields(schema: Document) -> Iterator[tuple[str, str, str]]:
    for name, field in schema["properties"].items():
        optional = "" if name in schema.get("required", ()) else " (optional)"
        yield f"`{name}`{optional}", _type(field), field.get("description", "")


def _type(schema: Document) -> str:
    match schema:
        case {"$ref": str()}:
            return _linked(_name(schema))
        case {"const": value}:
            return f"`{value}`"
        case {"enum": values}:
            return _or(values)
        case {"type": "array", "items": items}:
            return f"list of {_type(items)}"
        case {"anyOf": choices} | {"oneOf": choices}:
            return " or ".join(_type(choice) for choice in choices)
        case _:
            return str(schema.get("format", schema.get("type")))


def _operations(document: Document) -> Iterator[tuple[str, str, Document]]:
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            yield method.upper(), path, operation


def _credentials(operation: Document) -> str:
    names = {
        "bearer": "an access token",
        "refreshTokenCookie": "the refresh token in the cookie",
        "basic": "the id and the secret of a service client",
    }
    ways = [" and ".join(names[scheme] for scheme in way) for way in operation.get("security", ())]
    if "" in ways:
        return f"{' and/or '.join(filter(None, ways))}, or none"
    return " or ".join(ways) or "none"


def _body(body: Document) -> str:
    (content,) = body["content"].values()
    if body["required"]:
        return _linked(_name(content["schema"]))
    form, *_ = content["schema"]["anyOf"]
    return f"{_linked(_name(form))}, or none: `{{}}` and `null` count as none"


def _answers(document: Document, operation: Document) -> Iterator[tuple[str, str]]:
    for status, answer in sorted(operation["responses"].items()):
        codes, found = _codes(document, answer), _resolved(document, answer)
        bodies = [body for kind, body in found.get("content", {}).items() if kind != PROBLEM]
        if COMMON.intersection(codes) and not bodies:
            continue
        yield status, " ".join([found["description"], *(_linked(_name(body["schema"])) for body in bodies)])


def _linked(name: str) -> str:
    return f"[{name}](#{name.lower()})"


def _name(schema: Document) -> str:
    reference: str = schema["$ref"]
    return reference.rpartition("/")[2]


def _codes(document: Document, answer: Document) -> list[str]:
    """The codes of a problem; none of any other answer."""
    found = _resolved(document, answer)
    problem = found.get("content", {}).get(PROBLEM)
    return problem["schema"]["allOf"][1]["properties"]["code"]["enum"] if problem else []


def _resolved(document: Document, part: Document) -> Document:
    if "$ref" not in part:
        return part
    for name in part["$ref"].removeprefix("#/").split("/"):
        document = document[name]
    return document


def _refusals(document: Document) -> Iterator[str]:
    routes: dict[str, list[str]] = {}
    for method, path, operation in _operations(document):
        for answer in operation["responses"].values():
            for code in _codes(document, answer):
                routes.setdefault(code, []).append(f"`{method} {path}`")
    yield _title("Refusals")
    yield """
Every error is `application/problem+json` (RFC 9457).
Only [OAuth endpoints](../guides/service-clients.md#refusals) answer the errors of RFC 6749 in its own form.
Its `code` never changes; `detail` is a sentence for people, and may.
"Retry" says whether the same request may succeed later.

## Refusals of the service
"""
    yield _table(
        ("code", "status", "detail", "answered by", "retry"),
        [
            (
                f"`{refusal}`",
                str(STATUS[refusal].value),
                SENTENCES[refusal],
                ", ".join(routes[refusal]),
                _retry(STATUS[refusal]),
            )
            for refusal in Refusal
            if refusal in routes
        ],
    )
    yield """
## Failures of HTTP

Any route may answer these.
"""
    yield _table(
        ("code", "status", "detail", "retry"),
        [
            (f"`{failure.code}`", str(status.value), failure.detail, _retry(status))
            for status, failure in FAILURES.items()
        ],
    )
    yield """
## Refusals of commands

No route answers these.
A command prints the sentence on stderr, and its exit status is 1.
"""
    yield _table(
        ("code", "sentence"),
        [(f"`{refusal}`", _plain(SENTENCES[refusal])) for refusal in Refusal if refusal not in routes],
    )


def _retry(status: HTTPStatus) -> str:
    return RETRIES.get(status, "no")


def _plain(sentence: str) -> str:
    """A sentence with the names of its facts in place of the facts."""
    return re.sub(r"\{(\w+)[^}]*\}", lambda found: found[1].upper(), sentence)


def _events() -> Iterator[str]:
    yield _title("Events")
    yield """
Security events are rows of the table `events`, and lines of the log with the same names.
[monitoring.md](../operations/monitoring.md#security-events) says how to read them.
A release may add kinds, reasons and details.

## Kinds
"""
    yield _table(
        ("kind", "written when", "reasons", "details"),
        [
            (f"`{kind}`", meaning.sentence, _listed(meaning.reasons), _listed(meaning.details))
            for kind, meaning in MEANINGS.items()
        ],
    )
    yield "\n## Actors\n\nWho caused an event. Older releases wrote events without one.\n"
    yield _table(("actor", "meaning"), [(f"`{actor}`", text) for actor, text in ACTORS.items()])
    yield "\n## Reasons\n\nHow an event came about, where its kind alone does not say it.\n"
    yield _table(("reason", "meaning"), [(f"`{reason}`", text) for reason, text in REASONS.items()])
    yield "\n## Details\n\nA detail that does not apply is left out.\n"
    yield _table(("detail", "meaning"), [(f"`{detail}`", text) for detail, text in DETAILS.items()])


def _title(text: str) -> str:
    return f"# {text}\n\n<!-- Generated from the code: change it there, then run: make reference -->\n"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *([cell.replace("|", "\\|") for cell in row] for row in rows)]
    return "\n" + "".join(f"| {' | '.join(line)} |\n".replace("|  |", "| |") for line in lines)


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _or(choices: Iterable[object]) -> str:
    *others, last = (f"`{choice}`" for choice in choices)
    return f"{', '.join(others)} or {last}"


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    folder.mkdir(exist_ok=True)
    for file, text in pages().items():
        (folder / file).write_text(text, encoding="utf-8")
