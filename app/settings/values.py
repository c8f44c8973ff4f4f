"""Readers of setting values: each parses one kind of text and refuses what is unsafe."""

import re
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import IPv4Network, IPv6Network, collapse_addresses, ip_network
from itertools import pairwise
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, GetCoreSchemaHandler, TypeAdapter
from pydantic_core import CoreSchema
from pydantic_core.core_schema import no_info_after_validator_function

from app.domain.hosts import LOOPBACK
from app.domain.throttling import Limit


def _seconds(value: object) -> object:
    """Read ``900`` and ``15m``; pydantic itself reads only ISO 8601 from text."""
    if not isinstance(value, str) or re.match("-?P", value):
        return value
    read = re.fullmatch(r"(-?[0-9]{1,12})([smhd]?)", value)
    if read is None:
        raise ValueError("must be a duration such as 900, 15m or PT15M")
    number, unit = read.groups()
    try:
        return int(number) * _UNITS[unit or "s"]
    except OverflowError:
        raise ValueError("is too long") from None


@dataclass(frozen=True, slots=True)
class Between:
    """A duration from ``lowest`` to ``highest``, both included; None passes."""

    lowest: timedelta
    highest: timedelta

    def __str__(self) -> str:
        return f"{_in_words(self.lowest)} to {_in_words(self.highest)}"

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        return no_info_after_validator_function(self._check, handler(source))

    def _check(self, value: timedelta | None) -> timedelta | None:
        if value is not None and not self.lowest <= value <= self.highest:
            raise ValueError(f"must be between {_in_words(self.lowest)} and {_in_words(self.highest)}")
        return value


def _in_words(duration: timedelta) -> str:
    """A duration in its largest whole unit."""
    for unit, name in ((DAY, "day"), (HOUR, "hour"), (MINUTE, "minute")):
        if duration and not duration % unit:
            return f"{duration // unit} {name}{'s' if duration > unit else ''}"
    return f"{duration // SECOND} second{'' if duration == SECOND else 's'}"


def parts(value: object) -> object:
    """The items of a list that commas or spaces separate."""
    return tuple(filter(None, re.split(r"[\s,]+", value))) if isinstance(value, str) else value


def starting(*schemes: str) -> AfterValidator:
    """A URL with one of these schemes."""

    def check(text: str) -> str:
        if not text.startswith(tuple(f"{scheme}://" for scheme in schemes)):
            raise ValueError(f"must start with {' or '.join(f'{scheme}://' for scheme in schemes)}")
        return text

    return AfterValidator(check)


def web_address(text: str) -> str:
    """An absolute https URL without query; http is accepted for localhost, which stays on the machine."""
    url = urlsplit(text)
    _ = url.port  # Raises ValueError unless it is a number.
    if url.scheme != "https" and not (url.scheme == "http" and url.hostname in LOOPBACK):
        raise ValueError("must start with https:// (http:// is for localhost only)")
    if not url.hostname or url.query or url.fragment or "@" in url.netloc:
        raise ValueError("must be a URL without user, query or fragment")
    if not re.fullmatch(r"[A-Za-z0-9.:_-]+", url.hostname):
        raise ValueError("has a host with other letters than a-z, 0-9, dots and hyphens")
    return text


def origin(text: str) -> str:
    """An origin as browsers write it (RFC 6454 section 6.2)."""
    if "*" in text or text == "null":
        raise ValueError("wildcards and null are refused; list each origin, like https://app.example.com")
    web_address(text)
    if text != text.lower() or text.count("/") != 2:  # noqa: PLR2004 - the two after the scheme
        raise ValueError(
            "each origin must be scheme, host and port in lower case, like https://app.example.com"
        )
    return text


def app_origin(text: str) -> str:
    """An origin of an app in a web view: of any scheme, and with a host."""
    if "*" in text or text == "null":
        raise ValueError("wildcards and null are refused; list each origin, like capacitor://localhost")
    if not re.fullmatch(r"[a-z][a-z0-9+.-]*://[a-z0-9._-]+(:[0-9]{1,5})?", text):
        raise ValueError(
            "each origin must be scheme, host and port in lower case, like capacitor://localhost"
        )
    return text


def asymmetric(text: object) -> object:
    """The name of an algorithm; ValueError when it is symmetric."""
    if isinstance(text, str) and text.upper().startswith("HS"):
        raise ValueError(
            "symmetric algorithms are refused, since a published key set cannot hold a shared secret; "
            "use RS256, ES256 or EdDSA"
        )
    return text


def off(value: object) -> object:
    """None for the word ``off``, other values unchanged."""
    return None if isinstance(value, str) and value.lower() == "off" else value


def on_or_off(value: object) -> object:
    """True for the word ``on`` and False for ``off``."""
    if not isinstance(value, str):
        return value
    if value.lower() not in {"on", "off"}:
        raise ValueError("must be on or off")
    return value.lower() == "on"


def network(text: str) -> str:
    """The address or the network of a proxy."""
    return str(_unmapped(ip_network(text)))


def not_everyone(networks: tuple[str, ...]) -> tuple[str, ...]:
    """Networks of proxies; ValueError when they cover all addresses of IPv4 or of IPv6 together."""
    parsed = [ip_network(text) for text in networks]
    covered: list[IPv4Network | IPv6Network] = [
        *collapse_addresses(one for one in parsed if isinstance(one, IPv4Network)),
        *collapse_addresses(one for one in parsed if isinstance(one, IPv6Network)),
    ]
    if any(one.prefixlen == 0 for one in covered):
        raise ValueError("this trusts every client; list your proxies' addresses")
    return networks


def _unmapped(parsed: IPv4Network | IPv6Network) -> IPv4Network | IPv6Network:
    """An IPv4 network that is written as an IPv6 one in its IPv4 form, other networks unchanged."""
    mapped = IPv6Network("::ffff:0:0/96")
    if isinstance(parsed, IPv6Network) and parsed.subnet_of(mapped):
        return IPv4Network((parsed.network_address.packed[12:], parsed.prefixlen - mapped.prefixlen))
    return parsed


def duration(text: str) -> timedelta:
    """A duration such as ``900``, ``15m`` or ``PT15M``; ValueError for any other text."""
    return TypeAdapter[timedelta](Duration).validate_python(text)


def limit(value: object) -> object:
    """A limit such as ``10/PT1M``: a number, and a window of 1 second to 400 days."""
    if not isinstance(value, str):
        return value
    amount, _, window = value.partition("/")
    with suppress(ValueError):
        parsed = duration(window)
        if re.fullmatch(r"[1-9][0-9]{0,8}", amount) and SECOND <= parsed <= 400 * DAY:
            return Limit(int(amount), timedelta(seconds=int(parsed.total_seconds())))
    raise ValueError("each limit must be a number and a duration, such as 10/60 or 10/PT1M")


def growing(limits: tuple[Limit, ...]) -> tuple[Limit, ...]:
    """Limits in the order of their windows; a longer one that allows no more makes the shorter useless."""
    if any(a.window >= b.window or a.amount >= b.amount for a, b in pairwise(limits)):
        raise ValueError("each limit must have a longer window and a larger number than the one before it")
    return limits


def within_a_day(limits: tuple[Limit, ...]) -> tuple[Limit, ...]:
    """Limits of an account: with a longer window, a few guesses would lock its owner out for longer."""
    if limits[-1].window > DAY:
        raise ValueError("no window may be longer than a day, so guesses lock an owner out for no longer")
    return limits


Duration = Annotated[timedelta, BeforeValidator(_seconds)]
Limits = Annotated[
    tuple[Annotated[Limit, BeforeValidator(limit)], ...],
    BeforeValidator(parts),
    Field(min_length=1),
    AfterValidator(growing),
]
Switch = Annotated[bool, BeforeValidator(on_or_off)]
SECOND, MINUTE, HOUR, DAY = (timedelta(**{unit: 1}) for unit in ("seconds", "minutes", "hours", "days"))
_UNITS = {"s": SECOND, "m": MINUTE, "h": HOUR, "d": DAY}
