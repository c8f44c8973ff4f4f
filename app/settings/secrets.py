"""The service's own secrets."""

import re
from base64 import urlsafe_b64decode
from contextlib import suppress
from itertools import pairwise
from typing import Annotated

from pydantic import BeforeValidator, Field

from app.settings.environment import EnvironmentSettings
from app.settings.values import parts

_SECRET_BYTES = 32
_DISTINCT = 20  # Of 32 random bytes about 30 are distinct; fewer than 20 do not occur by chance.
_MAKE_ONE = """make one with: python3 -c "import secrets; print(secrets.token_urlsafe(32))\""""


def secret_parts(value: object) -> object:
    """As ``parts``; ValueError for one long secret that a program has broken into lines."""
    lines = value.splitlines() if isinstance(value, str) else []
    # openssl breaks base64 after 64 characters. Two secrets in hex may have that length too.
    if any(re.fullmatch(r"[A-Za-z0-9+/]{64}", line) and _from_hex(line) is None for line in lines[:-1]):
        raise ValueError(
            "has a line break after 64 characters, which would make two secrets of one; remove the break, "
            "or separate secrets by commas"
        )
    return parts(value)


def _from_hex(text: str) -> bytes | None:
    return bytes.fromhex(text) if re.fullmatch(r"(?:[0-9a-fA-F]{2})+", text) else None


def secret(text: str) -> bytes:
    """The bytes of a secret; ValueError unless it is long and random enough."""
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
    """The distinct differences between neighbouring bytes; a sequence has few of them."""
    return {(b - a) % 256 for a, b in pairwise(data)}


def _secret_bytes(text: str) -> bytes | None:
    if (raw := _from_hex(text)) is not None:
        return raw
    base64url = text.rstrip("=").replace("+", "-").replace("/", "_")
    if not re.fullmatch(r"[A-Za-z0-9_-]+", base64url) or len(base64url) % 4 == 1:
        return None
    # Words without spaces are base64url too. Random text of this length has both cases and many letters.
    if base64url in (base64url.lower(), base64url.upper()) or len(set(base64url)) < _DISTINCT:
        return None
    return urlsafe_b64decode(base64url + "=" * (-len(base64url) % 4))


class SecretSettings(EnvironmentSettings):
    """The secrets that seal the signing keys and authenticate refresh tokens."""

    secret_keys: Annotated[
        tuple[Annotated[bytes, BeforeValidator(secret)], ...],
        BeforeValidator(secret_parts),
        Field(
            min_length=1,
            repr=False,
            description="Secrets of 256 random bits as base64url or hex; the first one is in use.",
        ),
    ]
