"""Values of settings: how each kind of text is read, and what is refused as unsafe."""

import re
from base64 import urlsafe_b64decode
from contextlib import suppress
from datetime import timedelta
from ipaddress import ip_network
from itertools import pairwise
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, TypeAdapter
from pydantic_settings import NoDecode

from app.domain.throttling import Limit

_LOCAL_HOSTS = {"localhost", "127.0.0.1", "::1"}
_SECRET_BYTES = 32
_DISTINCT = 20  # Of 32 random bytes about 30 differ; fewer than this is no accident.
_MAKE_ONE = """make one with: python3 -c "import secrets; print(secrets.token_urlsafe(32))\""""


def _seconds(value: object) -> object:
    """Durations are seconds or ISO 8601; pydantic knows only the second from text."""
    is_number = isinstance(value, str) and re.fullmatch(r"-?[0-9]{1,12}", value)
    return timedelta(seconds=int(is_number[0])) if is_number else value


def between(lowest: timedelta, highest: timedelta) -> AfterValidator:
    """A duration within bounds, which count as within."""

    def check(value: timedelta) -> timedelta:
        if not lowest <= value <= highest:
            raise ValueError(f"must be between {_in_words(lowest)} and {_in_words(highest)}")
        return value

    return AfterValidator(check)


def _in_words(duration: timedelta) -> str:
    return f"{int(duration.total_seconds())} seconds"


def parts(value: object) -> object:
    """What commas or spaces part."""
    return tuple(filter(None, re.split(r"[\s,]+", value))) if isinstance(value, str) else value


def secret(text: str) -> bytes:
    """The bytes of a secret that is long and random enough."""
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


def starting(*schemes: str) -> AfterValidator:
    """A text that starts with one of these schemes."""

    def check(text: str) -> str:
        if not text.startswith(tuple(f"{scheme}://" for scheme in schemes)):
            raise ValueError(f"must start with {' or '.join(f'{scheme}://' for scheme in schemes)}")
        return text

    return AfterValidator(check)


def web_address(text: str) -> str:
    """An absolute https address without query; http serves where nothing leaves the machine."""
    url = urlsplit(text)
    _ = url.port  # Raises ValueError where it is no number.
    if url.scheme != "https" and not (url.scheme == "http" and url.hostname in _LOCAL_HOSTS):
        raise ValueError("must start with https:// (http:// is for localhost only)")
    if not url.hostname or url.query or url.fragment or "@" in url.netloc:
        raise ValueError("must be an address without user, query and fragment")
    return text


def origin(text: str) -> str:
    """An origin as browsers write it (RFC 6454 section 6.2)."""
    if "*" in text or text == "null":
        raise ValueError("wildcards and null are refused; list each origin, like https://app.example.com")
    web_address(text)
    if text != text.lower() or text.count("/") != 2:  # noqa: PLR2004 - the two behind the scheme
        raise ValueError("an origin is scheme, host and port in lower case, like https://app.example.com")
    return text


def asymmetric(text: object) -> object:
    """The name of an algorithm, unless it is symmetric."""
    if isinstance(text, str) and text.upper().startswith("HS"):
        raise ValueError(
            "symmetric algorithms are refused, since a published key set cannot hold a shared secret; "
            "use RS256, ES256 or EdDSA"
        )
    return text


def off(value: object) -> object:
    """None for the word ``off``."""
    return None if isinstance(value, str) and value.lower() == "off" else value


def network(text: str) -> str:
    """The addresses of a proxy, or its network."""
    parsed = ip_network(text)
    if parsed.prefixlen == 0:
        raise ValueError("everybody is no proxy; name the addresses of yours")
    return str(parsed)


def duration(text: str) -> timedelta:
    """A duration in seconds or ISO 8601; ValueError when it is neither."""
    return TypeAdapter[timedelta](Duration).validate_python(text)


def limit(value: object) -> object:
    """A limit such as ``10/PT1M``: how many, in how long (1 second to 400 days)."""
    if not isinstance(value, str):
        return value
    amount, _, window = value.partition("/")
    with suppress(ValueError):
        parsed = duration(window)
        if re.fullmatch(r"[1-9][0-9]{0,8}", amount) and SECOND <= parsed <= 400 * DAY:
            return Limit(int(amount), timedelta(seconds=int(parsed.total_seconds())))
    raise ValueError("each limit is a number and a duration, such as 10/60 or 10/PT1M")


def growing(limits: tuple[Limit, ...]) -> tuple[Limit, ...]:
    """Limits by the length of their windows; a longer one that allows no more would make the shorter idle."""
    if any(a.window >= b.window or a.amount >= b.amount for a, b in pairwise(limits)):
        raise ValueError("each further limit must have a longer window and a larger number")
    return limits


Duration = Annotated[timedelta, BeforeValidator(_seconds)]
Limits = Annotated[
    tuple[Annotated[Limit, BeforeValidator(limit)], ...],
    NoDecode,
    BeforeValidator(parts),
    Field(min_length=1),
    AfterValidator(growing),
]
SECOND, MINUTE, HOUR, DAY = (timedelta(**{unit: 1}) for unit in ("seconds", "minutes", "hours", "days"))
