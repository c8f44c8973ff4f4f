"""How settings are read: from ``AUTH_`` variables, or from the files that ``AUTH_..._FILE`` name."""

import os
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError, field_validator
from pydantic_core import ErrorDetails

PREFIX = "AUTH_"


class SettingsError(Exception):
    """The environment is wrong: one line for each variable, with what to do about it."""


def bare(text: str) -> str:
    """A value without white space around it, and without the quotes that ``docker --env-file`` keeps.

    ValueError when it begins with a quote and is not quoted as a whole.
    """
    text = text.strip()
    quote = text[:1]
    if quote not in {"'", '"'}:
        return text
    if text.count(quote) != 2 or not text.endswith(quote):  # noqa: PLR2004 - a pair
        raise ValueError("has stray quotes; leave them out")
    return text[1:-1].strip()


def variable(name: str) -> str | None:
    """The bare value of a variable, or None when it is not set; SettingsError for stray quotes."""
    try:
        return bare(os.environ.get(name, "")) or None
    except ValueError as error:
        raise SettingsError(f"{name}: {error}") from None


def file_of(name: str) -> Path | None:
    """The file that ``AUTH_X_FILE`` names for ``AUTH_X``, or None when it is not set."""
    path = variable(f"{name}_FILE")
    return Path(path) if path else None


class EnvironmentSettings(BaseModel):
    """The base of every group of settings. Each field is a variable, or a file, that ``load`` reads."""

    # Each group is part of a larger one, and only those that are loaded need a validator.
    model_config = ConfigDict(frozen=True, validate_default=True, hide_input_in_errors=True, defer_build=True)

    @field_validator("*", mode="before")
    @classmethod
    def bare(cls, value: object) -> object:
        """Remove white space and quotes around a value."""
        return bare(value) if isinstance(value, str) else value


_AnySettings = TypeVar("_AnySettings", bound=EnvironmentSettings)


def load(kind: type[_AnySettings]) -> _AnySettings:
    """Read settings of a kind from the environment; SettingsError names every wrong variable."""
    variables = {name.upper(): value for name, value in os.environ.items()}
    values = {}
    for field in kind.model_fields:
        name = PREFIX + field.upper()
        text = _read_file(name) or variables.get(name, "")
        # An empty variable counts as not set, and so does one of white space and quotes.
        if text.strip("\"' \t\r\n"):
            values[field] = text
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        raise SettingsError("\n".join(_line(problem) for problem in error.errors())) from None


def _read_file(name: str) -> str | None:
    """What the file holds that ``AUTH_X_FILE`` names for ``AUTH_X``, as docker secrets do, or None."""
    path = file_of(name)
    if path is None:
        return None
    if variable(name):
        raise SettingsError(f"{name}: both {name} and {name}_FILE are set; unset one of them")
    try:
        # Windows PowerShell begins a file with a byte order mark.
        return path.read_text(encoding="utf-8-sig").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{name}_FILE: cannot be read: {error}") from None


def read_again(kind: type[EnvironmentSettings], field: str) -> str | None:
    """Return what the file of a setting holds now, or None when no file or nothing usable is there."""
    try:
        if file_of(PREFIX + field.upper()) is None:
            return None
        return str(getattr(load(kind), field))
    except SettingsError:
        return None


def _line(problem: ErrorDetails) -> str:
    name = PREFIX + str(problem["loc"][0]).upper() if problem["loc"] else ""
    message = str(problem["msg"]).removeprefix("Value error, ")
    if problem["type"] == "missing":
        return f"{name}: is not set; .env.example describes it"
    return f"{name}: {message[0].lower()}{message[1:]}" if name else message
