"""How settings are read: from ``AUTH_`` variables, or from the files that ``AUTH_..._FILE`` name."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError, field_validator, model_validator
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

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


class _Files(PydanticBaseSettingsSource):
    """``AUTH_X_FILE`` names a file that holds ``AUTH_X``, as docker secrets do."""

    def get_field_value(
        self,
        field: FieldInfo,  # noqa: ARG002 - the name is enough
        field_name: str,
    ) -> tuple[Any, str, bool]:
        name = PREFIX + field_name.upper()
        path = file_of(name)
        if path is None:
            return None, field_name, False
        if variable(name):
            raise SettingsError(f"{name}: both {name} and {name}_FILE are set; unset one of them")
        try:
            # Windows PowerShell begins a file with a byte order mark.
            return path.read_text(encoding="utf-8-sig").strip() or None, field_name, False
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(f"{name}_FILE: cannot be read: {error}") from None

    def __call__(self) -> dict[str, Any]:
        fields = self.settings_cls.model_fields
        found = {name: self.get_field_value(field, name)[0] for name, field in fields.items()}
        return {name: value for name, value in found.items() if value is not None}


class EnvironmentSettings(BaseSettings):
    """The base of every group of settings."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, frozen=True, extra="ignore", env_ignore_empty=True, hide_input_in_errors=True
    )

    @model_validator(mode="before")
    @classmethod
    def set_values(cls, values: dict[str, object]) -> dict[str, object]:
        """Those that are more than white space; an empty variable counts as not set."""
        return {
            name: value
            for name, value in values.items()
            if not isinstance(value, str) or value.strip("\"' \t\r\n")
        }

    @field_validator("*", mode="before")
    @classmethod
    def bare(cls, value: object) -> object:
        """Remove white space and quotes around a value."""
        return bare(value) if isinstance(value, str) else value

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the environment is enough
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - its names differ from ours
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """A file decides, since a variable beside it is refused unless it counts as not set."""
        return init_settings, _Files(settings_cls), env_settings


_AnySettings = TypeVar("_AnySettings", bound=BaseSettings)


def load(kind: Callable[[], _AnySettings]) -> _AnySettings:
    """Read settings of a kind from the environment; SettingsError names every wrong variable."""
    try:
        return kind()
    except ValidationError as error:
        raise SettingsError("\n".join(_line(problem) for problem in error.errors())) from None


def read_again(kind: Callable[[], BaseSettings], field: str) -> str | None:
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
