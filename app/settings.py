"""Settings: the environment, read once into frozen values that are safe to run with."""

import os
import re
from base64 import urlsafe_b64decode
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from ipaddress import ip_network
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict

from app.domain.keys import Algorithm
from app.domain.sessions import ReuseRevokes

PREFIX = "AUTH_"
_LOCAL_HOSTS = {"localhost", "127.0.0.1", "::1"}
_REDIS_SCHEMES = ["unix", *(tls + to for tls in ("redis", "rediss") for to in ("", "+sentinel", "+cluster"))]
_SECRET_BYTES = 32
_DISTINCT = 20  # Of 32 random bytes about 30 differ; fewer than this is no accident.
_MAKE_ONE = """make one with: python3 -c "import secrets; print(secrets.token_urlsafe(32))\""""


class SettingsError(Exception):
    """What is wrong with the environment: a line for each variable, with its mend."""


def _seconds(value: object) -> object:
    """Durations are seconds or ISO 8601; pydantic knows only the second from text."""
    is_number = isinstance(value, str) and re.fullmatch(r"-?[0-9]{1,12}", value)
    return timedelta(seconds=int(is_number[0])) if is_number else value


def _between(lowest: timedelta, highest: timedelta) -> AfterValidator:
    def check(value: timedelta) -> timedelta:
        if not lowest <= value <= highest:
            raise ValueError(f"must be between {_in_words(lowest)} and {_in_words(highest)}")
        return value

    return AfterValidator(check)


def _in_words(duration: timedelta) -> str:
    return f"{int(duration.total_seconds())} seconds"


def _list(value: object) -> object:
    return tuple(filter(None, re.split(r"[\s,]+", value))) if isinstance(value, str) else value


def _secret(text: str) -> bytes:
    raw = _secret_bytes(text)
    if raw is None or len(raw) < _SECRET_BYTES:
        raise ValueError(f"each secret must be at least 256 random bits as base64url or hex; {_MAKE_ONE}")
    if (
        len(set(raw)) < _DISTINCT
        or len(_steps(raw)) < _DISTINCT
        or len(_steps(text.encode())) < _DISTINCT / 2
    ):
        raise ValueError(f"a secret is not random; {_MAKE_ONE}")
    with suppress(UnicodeDecodeError):
        raw.decode()
        raise ValueError(f"a secret is text and not random; {_MAKE_ONE}")
    return raw


def _steps(data: bytes) -> set[int]:
    """The distances from byte to byte, of which a sequence has few."""
    return {(b - a) % 256 for a, b in pairwise(data)}


def _secret_bytes(text: str) -> bytes | None:
    if re.fullmatch(r"(?:[0-9a-fA-F]{2})+", text):
        return bytes.fromhex(text)
    base64url = text.rstrip("=").replace("+", "-").replace("/", "_")
    if not re.fullmatch(r"[A-Za-z0-9_-]+", base64url) or len(base64url) % 4 == 1:
        return None
    # Words run together are base64url too; of random text so long, none is of one case or of few letters.
    if base64url in (base64url.lower(), base64url.upper()) or len(set(base64url)) < _DISTINCT:
        return None
    return urlsafe_b64decode(base64url + "=" * (-len(base64url) % 4))


def _starting(*schemes: str) -> AfterValidator:
    def check(text: str) -> str:
        if not text.startswith(tuple(f"{scheme}://" for scheme in schemes)):
            raise ValueError(f"must start with {' or '.join(f'{scheme}://' for scheme in schemes)}")
        return text

    return AfterValidator(check)


def _web_address(text: str) -> str:
    """An absolute https address without query; http serves where nothing leaves the machine."""
    url = urlsplit(text)
    _ = url.port  # Raises ValueError where it is no number.
    if url.scheme != "https" and not (url.scheme == "http" and url.hostname in _LOCAL_HOSTS):
        raise ValueError("must start with https:// (http:// is for localhost only)")
    if not url.hostname or url.query or url.fragment or "@" in url.netloc:
        raise ValueError("must be an address without user, query and fragment")
    return text


def _origin(text: str) -> str:
    if "*" in text or text == "null":
        raise ValueError("wildcards and null are refused; list each origin, like https://app.example.com")
    _web_address(text)
    if text != text.lower() or text.count("/") != 2:  # noqa: PLR2004 - the two behind the scheme
        raise ValueError("an origin is scheme, host and port in lower case, like https://app.example.com")
    return text


def _asymmetric(text: object) -> object:
    if isinstance(text, str) and text.upper().startswith("HS"):
        raise ValueError(
            "symmetric algorithms are refused, since a published key set cannot hold a shared secret; "
            "use RS256, ES256 or EdDSA"
        )
    return text


def _off(value: object) -> object:
    return None if isinstance(value, str) and value.lower() == "off" else value


def _network(text: str) -> str:
    network = ip_network(text)
    if network.prefixlen == 0:
        raise ValueError("everybody is no proxy; name the addresses of yours")
    return str(network)


Duration = Annotated[timedelta, BeforeValidator(_seconds)]
_SECOND, _MINUTE, _HOUR, _DAY = (timedelta(**{unit: 1}) for unit in ("seconds", "minutes", "hours", "days"))


class _Files(PydanticBaseSettingsSource):
    """``AUTH_X_FILE`` names a file that holds ``AUTH_X``, as docker secrets do."""

    def get_field_value(
        self,
        field: FieldInfo,  # noqa: ARG002 - the name says all
        field_name: str,
    ) -> tuple[Any, str, bool]:
        name = PREFIX + field_name.upper()
        path = os.environ.get(f"{name}_FILE")
        if not path:
            return None, field_name, False
        if os.environ.get(name):
            raise SettingsError(f"{name}: is set, and so is {name}_FILE; unset one of them")
        try:
            return Path(path).read_text().strip() or None, field_name, False
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(f"{name}_FILE: cannot be read: {error}") from None

    def __call__(self) -> dict[str, Any]:
        fields = self.settings_cls.model_fields
        found = {name: self.get_field_value(field, name)[0] for name, field in fields.items()}
        return {name: value for name, value in found.items() if value is not None}


class DatabaseSettings(BaseSettings):
    """What a migration needs to know."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, frozen=True, extra="ignore", env_ignore_empty=True, hide_input_in_errors=True
    )

    database_url: Annotated[str, _starting("postgresql", "postgres", "postgresql+asyncpg"), Field(repr=False)]
    startup_timeout: Annotated[Duration, _between(0 * _SECOND, 10 * _MINUTE)] = 30 * _SECOND

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the environment is enough
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - its names differ from ours
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Take the environment, then files that it names."""
        return init_settings, env_settings, _Files(settings_cls)


class Settings(DatabaseSettings):
    """Everything that the service needs to know."""

    redis_url: Annotated[str, _starting(*_REDIS_SCHEMES), Field(repr=False)]
    secret_keys: Annotated[
        tuple[Annotated[bytes, BeforeValidator(_secret)], ...],
        NoDecode,
        BeforeValidator(_list),
        Field(min_length=1, repr=False),
    ]
    issuer: Annotated[str, AfterValidator(_web_address)]
    audience: Annotated[str, Field(min_length=1)]
    allowed_origins: Annotated[
        tuple[Annotated[str, AfterValidator(_origin)], ...], NoDecode, BeforeValidator(_list)
    ] = ()
    trusted_proxies: Annotated[
        tuple[Annotated[str, AfterValidator(_network)], ...], NoDecode, BeforeValidator(_list)
    ] = ()

    signing_algorithm: Annotated[Algorithm, BeforeValidator(_asymmetric)] = Algorithm.RS256
    signing_rsa_bits: Annotated[Literal[2048, 3072, 4096], BeforeValidator(int)] = 2048
    key_rotation_interval: Annotated[
        Annotated[Duration, _between(_HOUR, 400 * _DAY)] | None, BeforeValidator(_off)
    ] = 30 * _DAY
    access_token_ttl: Annotated[Duration, _between(_SECOND, _HOUR)] = 15 * _MINUTE
    leeway: Annotated[Duration, _between(0 * _SECOND, _MINUTE)] = 30 * _SECOND
    session_ttl: Annotated[Duration, _between(_MINUTE, 400 * _DAY)] = 30 * _DAY
    session_idle_ttl: Annotated[Duration, _between(_MINUTE, 400 * _DAY)] = 7 * _DAY
    refresh_grace: Annotated[Duration, _between(0 * _SECOND, _MINUTE)] = 10 * _SECOND
    reuse_revokes: ReuseRevokes = ReuseRevokes.SESSION

    password_min_length: Annotated[int, Field(ge=8, le=64)] = 15
    password_hash_memory_kib: Annotated[int, Field(ge=19_456, le=262_144)] = 19_456
    password_hash_time_cost: Annotated[int, Field(ge=2, le=10)] = 2
    password_hash_threads: Annotated[int, Field(ge=1, le=64)] = os.cpu_count() or 1
    password_hash_queue: Annotated[int, Field(ge=0, le=1000)] = 50

    database_pool_size: Annotated[int, Field(ge=1, le=200)] = 10
    log_format: Literal["json", "console"] = "json"


_AnySettings = TypeVar("_AnySettings", bound=BaseSettings)


def load(kind: Callable[[], _AnySettings]) -> _AnySettings:
    """Read settings of a kind from the environment; SettingsError says what is wrong and how to mend it."""
    try:
        return kind()
    except ValidationError as error:
        raise SettingsError("\n".join(_line(problem) for problem in error.errors())) from None


def _line(problem: ErrorDetails) -> str:
    name = PREFIX + str(problem["loc"][0]).upper() if problem["loc"] else ""
    message = str(problem["msg"]).removeprefix("Value error, ")
    if problem["type"] == "missing":
        return f"{name}: is not set; .env.example shows what it takes"
    return f"{name}: {message[0].lower()}{message[1:]}" if name else message
