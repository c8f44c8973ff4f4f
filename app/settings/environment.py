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


class _Files(PydanticBaseSettingsSource):
    """``AUTH_X_FILE`` names a file that holds ``AUTH_X``, as docker secrets do."""

    def get_field_value(
        self,
        field: FieldInfo,  # noqa: ARG002 - the name is enough
        field_name: str,
    ) -> tuple[Any, str, bool]:
        name = PREFIX + field_name.upper()
        path = os.environ.get(f"{name}_FILE")
        if not path:
            return None, field_name, False
        if os.environ.get(name):
            raise SettingsError(f"{name}: both {name} and {name}_FILE are set; unset one of them")
        try:
            # Windows PowerShell begins a file with a byte order mark.
            return Path(path).read_text(encoding="utf-8-sig").strip() or None, field_name, False
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
        """Remove white space around a value, and the quotes that ``docker --env-file`` keeps.

        ValueError when a value begins with a quote and is not quoted as a whole.
        """
        if not isinstance(value, str):
            return value
        text = value.strip()
        quote = text[:1]
        if quote not in {"'", '"'}:
            return text
        if text.count(quote) != 2 or not text.endswith(quote):  # noqa: PLR2004 - a pair
            raise ValueError("has stray quotes; leave them out")
        return text[1:-1].strip()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the environment is enough
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - its names differ from ours
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Read the environment first, then the files that it names."""
        return init_settings, env_settings, _Files(settings_cls)


_AnySettings = TypeVar("_AnySettings", bound=BaseSettings)


def load(kind: Callable[[], _AnySettings]) -> _AnySettings:
    """Read settings of a kind from the environment; SettingsError names every wrong variable."""
    try:
        return kind()
    except ValidationError as error:
        raise SettingsError("\n".join(_line(problem) for problem in error.errors())) from None


def read_again(kind: Callable[[], BaseSettings], field: str) -> str | None:
    """Return what the file of a setting holds now, or None when no file or nothing usable is there."""
    if not os.environ.get(f"{PREFIX}{field.upper()}_FILE"):
        return None
    try:
        return str(getattr(load(kind), field))
    except SettingsError:
        return None


def _line(problem: ErrorDetails) -> str:
    name = PREFIX + str(problem["loc"][0]).upper() if problem["loc"] else ""
    message = str(problem["msg"]).removeprefix("Value error, ")
    if problem["type"] == "missing":
        return f"{name}: is not set; .env.example describes it"
    return f"{name}: {message[0].lower()}{message[1:]}" if name else message
