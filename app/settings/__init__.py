"""Settings: the environment, read once into frozen values that are safe to run with."""

import os
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict

from app.domain.access_tokens import TokenPolicy
from app.domain.keys import MAX_AGE, Algorithm, KeyKind, KeyPolicy
from app.domain.passwords import PasswordPolicy
from app.domain.sessions import ReuseRevokes, SessionPolicy
from app.domain.throttling import Limit, ThrottlingPolicy
from app.settings.values import (
    DAY,
    HOUR,
    MINUTE,
    SECOND,
    Duration,
    Limits,
    asymmetric,
    between,
    network,
    off,
    origin,
    parts,
    secret,
    starting,
    web_address,
)

PREFIX = "AUTH_"
_REDIS_SCHEMES = ["unix", *(tls + to for tls in ("redis", "rediss") for to in ("", "+sentinel", "+cluster"))]


class SettingsError(Exception):
    """What is wrong with the environment: a line for each variable, with its mend."""


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

    database_url: Annotated[str, starting("postgresql", "postgres", "postgresql+asyncpg"), Field(repr=False)]
    startup_timeout: Annotated[Duration, between(0 * SECOND, 10 * MINUTE)] = 30 * SECOND

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

    redis_url: Annotated[str, starting(*_REDIS_SCHEMES), Field(repr=False)]
    secret_keys: Annotated[
        tuple[Annotated[bytes, BeforeValidator(secret)], ...],
        NoDecode,
        BeforeValidator(parts),
        Field(min_length=1, repr=False),
    ]
    issuer: Annotated[str, AfterValidator(web_address)]
    audience: Annotated[str, Field(min_length=1)]
    allowed_origins: Annotated[
        tuple[Annotated[str, AfterValidator(origin)], ...], NoDecode, BeforeValidator(parts)
    ] = ()
    trusted_proxies: Annotated[
        tuple[Annotated[str, AfterValidator(network)], ...], NoDecode, BeforeValidator(parts)
    ] = ()

    signing_algorithm: Annotated[Algorithm, BeforeValidator(asymmetric)] = Algorithm.RS256
    signing_rsa_bits: Annotated[Literal[2048, 3072, 4096], BeforeValidator(int)] = 2048
    key_rotation_interval: Annotated[
        Annotated[Duration, between(HOUR, 400 * DAY)] | None, BeforeValidator(off)
    ] = 30 * DAY
    access_token_ttl: Annotated[Duration, between(SECOND, HOUR)] = 15 * MINUTE
    leeway: Annotated[Duration, between(0 * SECOND, MINUTE)] = 30 * SECOND
    session_ttl: Annotated[Duration, between(MINUTE, 400 * DAY)] = 30 * DAY
    session_idle_ttl: Annotated[Duration, between(MINUTE, 400 * DAY)] = 7 * DAY
    refresh_grace: Annotated[Duration, between(0 * SECOND, MINUTE)] = 10 * SECOND
    reuse_revokes: ReuseRevokes = ReuseRevokes.SESSION

    login_limit_account: Limits = (
        Limit(20, MINUTE),
        Limit(40, HOUR),
        Limit(60, DAY),
        Limit(100, 30 * DAY),
    )
    login_limit_address: Limits = (Limit(100, MINUTE), Limit(1000, HOUR))
    login_limit_global: Limits = (Limit(600, MINUTE),)
    refresh_limit: Limits = (Limit(300, MINUTE),)

    password_min_length: Annotated[int, Field(ge=8, le=64)] = 15
    password_hash_memory_kib: Annotated[int, Field(ge=19_456, le=262_144)] = 19_456
    password_hash_time_cost: Annotated[int, Field(ge=2, le=10)] = 2
    # One processor is left to everything else: niceness alone does not get the event loop a busy one at once.
    password_hash_threads: Annotated[int, Field(ge=1, le=64)] = max(1, (os.cpu_count() or 1) - 1)
    password_hash_queue: Annotated[int, Field(ge=0, le=1000)] = 50

    breached_passwords_url: Annotated[str, AfterValidator(web_address)] | None = None

    event_retention: Annotated[Duration, between(DAY, 3660 * DAY)] = 365 * DAY
    database_pool_size: Annotated[int, Field(ge=1, le=200)] = 10
    log_format: Literal["json", "console"] = "json"

    def session_policy(self) -> SessionPolicy:
        """How long sessions live, and what ends when one of their tokens is reused."""
        return SessionPolicy(
            absolute=self.session_ttl,
            idle=self.session_idle_ttl,
            grace=self.refresh_grace,
            reuse_revokes=self.reuse_revokes,
        )

    def token_policy(self) -> TokenPolicy:
        """What access tokens say, and how long they live."""
        return TokenPolicy(
            self.issuer,
            self.audience,
            # An access token must not outlive the idle end of its session.
            lifetime=min(self.access_token_ttl, self.session_idle_ttl),
            leeway=self.leeway,
        )

    def key_policy(self, *, longest_view: timedelta) -> KeyPolicy:
        """What keys are made, when they rotate, and how long an old one is published.

        A replica may sign with a view of the keys that is ``longest_view`` old, and its token then lives on.
        Verifiers keep a key set for ``MAX_AGE``.
        """
        return KeyPolicy(
            kind=KeyKind(
                self.signing_algorithm,
                self.signing_rsa_bits if self.signing_algorithm is Algorithm.RS256 else None,
            ),
            interval=self.key_rotation_interval,
            verifying=longest_view + self.access_token_ttl + self.leeway + timedelta(seconds=MAX_AGE),
        )

    def throttling_policy(self) -> ThrottlingPolicy:
        """How many failures are let through."""
        return ThrottlingPolicy(
            account=self.login_limit_account,
            address=self.login_limit_address,
            everyone=self.login_limit_global,
            refresh=self.refresh_limit,
        )

    def password_policy(self) -> PasswordPolicy:
        """What a new password must be."""
        return PasswordPolicy(self.password_min_length, host=urlsplit(self.issuer).hostname or "")


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
