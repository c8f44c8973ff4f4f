"""What a verifier is told: by its caller, or by the environment."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias, get_args

from watchword_verifier.credentials import ClientCredentials
from watchword_verifier.errors import ConfigurationError, FetchError
from watchword_verifier.urls import origin_of

Revocation: TypeAlias = Literal["none", "status-list", "feed"]
PREFIX = "WATCHWORD_"
_YES, _NO = ("1", "true", "yes", "on"), ("", "0", "false", "no", "off")


@dataclass(frozen=True, slots=True)
class Options:
    """The options of a verifier. The README lists them with their variables.

    Raises:
        ConfigurationError: They do not fit together.
    """

    issuer: str
    """``iss`` of the tokens, to the letter; also where the metadata is."""
    audience: str
    """What ``aud`` must name: this service, as the issuer calls it."""
    revocation: Revocation = "status-list"
    client: ClientCredentials | None = None
    """Needed for the feed."""
    jwks_url: str | None = None
    """Where the key set is, when the issuer's metadata should not be asked."""
    require_status: bool = False
    """Refuse a user's token that has no ``status`` claim."""
    leeway: float = 30.0
    """Seconds by which clocks may differ."""
    patience: float = 3.0
    """Seconds that one request waits for keys or lists which are being fetched."""
    ca_file: str | None = None
    """Certificates of authorities to trust instead of the system's, as a PEM file."""
    proxy: str | None = None
    """The address of an HTTP proxy; the usual variables are not read."""

    def __post_init__(self) -> None:
        """Check what can be checked without a network."""
        if not self.audience:
            raise ConfigurationError("the audience is empty")
        if self.revocation not in get_args(Revocation):
            raise ConfigurationError(f"revocation is one of {', '.join(get_args(Revocation))}")
        if self.revocation == "feed" and self.client is None:
            raise ConfigurationError("the feed needs a client id and a client secret")
        if self.leeway < 0 or self.patience <= 0:
            raise ConfigurationError("leeway is negative, or patience is not positive")
        if self.ca_file is not None and not Path(self.ca_file).is_file():
            raise ConfigurationError(f"there is no file {self.ca_file}")
        for name, url in (("issuer", self.issuer), ("key set URL", self.jwks_url)):
            try:
                if url is not None:
                    origin_of(url)
            except FetchError as error:
                raise ConfigurationError(f"{name}: {error}") from None


def options_from(environment: Mapping[str, str], revocation: Revocation | None = None) -> Options:
    """The options that variables with the prefix ``WATCHWORD_`` give; an argument goes before its variable.

    Raises:
        ConfigurationError: A variable is missing or makes no sense.
    """
    client_id, secret = _get(environment, "CLIENT_ID"), _get(environment, "CLIENT_SECRET")
    if (client_id is None) != (secret is None):
        raise ConfigurationError("WATCHWORD_CLIENT_ID and WATCHWORD_CLIENT_SECRET go together")
    issuer, audience = _get(environment, "ISSUER"), _get(environment, "AUDIENCE")
    if issuer is None or audience is None:
        raise ConfigurationError("WATCHWORD_ISSUER and WATCHWORD_AUDIENCE are required")
    named = revocation or _get(environment, "REVOCATION") or "status-list"
    return Options(
        issuer=issuer,
        audience=audience,
        revocation=_revocation(named),
        client=ClientCredentials(client_id, secret) if client_id and secret else None,
        jwks_url=_get(environment, "JWKS_URL"),
        require_status=_flag(environment, "REQUIRE_STATUS"),
        ca_file=_get(environment, "CA_FILE"),
        proxy=_get(environment, "PROXY"),
    )


def environment() -> Mapping[str, str]:
    """The environment of this process."""
    return os.environ


def _get(environment: Mapping[str, str], name: str) -> str | None:
    """The value of a variable, or the text of the file that ``..._FILE`` names; None when empty."""
    value, file = (environment.get(f"{PREFIX}{name}{suffix}", "").strip() for suffix in ("", "_FILE"))
    if value and file:
        raise ConfigurationError(f"only one of {PREFIX}{name} and {PREFIX}{name}_FILE may be set")
    if file:
        try:
            value = Path(file).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError):
            raise ConfigurationError(f"{PREFIX}{name}_FILE cannot be read") from None
    return value or None


def _revocation(name: str) -> Revocation:
    for known in get_args(Revocation):
        if name == known:
            return known  # type: ignore[no-any-return] # get_args has no types.
    raise ConfigurationError(f"{PREFIX}REVOCATION is one of {', '.join(get_args(Revocation))}")


def _flag(environment: Mapping[str, str], name: str) -> bool:
    value = (_get(environment, name) or "").lower()
    if value not in _YES + _NO:
        raise ConfigurationError(f"{PREFIX}{name} is true or false")
    return value in _YES
