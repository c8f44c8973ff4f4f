"""The service's own secrets."""

from typing import Annotated

from pydantic import BeforeValidator, Field
from pydantic_settings import NoDecode

from app.settings.environment import EnvironmentSettings
from app.settings.values import secret, secret_parts


class SecretSettings(EnvironmentSettings):
    """The secrets that seal the signing keys and authenticate refresh tokens."""

    secret_keys: Annotated[
        tuple[Annotated[bytes, BeforeValidator(secret)], ...],
        NoDecode,
        BeforeValidator(secret_parts),
        Field(
            min_length=1,
            repr=False,
            description="Secrets of 256 random bits as base64url or hex; the first one is in use.",
        ),
    ]
