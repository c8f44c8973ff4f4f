"""Reads the URL of Postgres as operators and platforms write it, with the parameters of libpq."""

import os
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from itertools import repeat
from re import fullmatch
from urllib.parse import unquote

_SCHEMES = {"postgresql", "postgres", "postgresql+asyncpg"}
_FORM = "is not of the form postgresql://user:password@host:5432/database; percent-encode the password"
_LAST_PORT = 65_535
SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
_TLS_VERSIONS = ("TLSv1.2", "TLSv1.3")
_VALUES = {
    "sslmode": SSL_MODES,
    "ssl_min_protocol_version": _TLS_VERSIONS,
    "ssl_max_protocol_version": _TLS_VERSIONS,
    "sslnegotiation": ("postgres", "direct"),
    "target_session_attrs": ("read-write", "primary", "any"),
    "channel_binding": ("disable", "prefer", "require"),
    "gssencmode": ("disable", "prefer"),
}
"""The values of these parameters that can be kept; the service always asks for a server that takes writes."""
_HONOURED = {
    *("host", "port", "dbname", "user", "password", "passfile", "connect_timeout", "options"),
    *("application_name", "fallback_application_name", "target_session_attrs", "ssl", "sslmode"),
    *("sslrootcert", "sslcert", "sslkey", "sslpassword", "sslcrl", "sslnegotiation"),
    *("ssl_min_protocol_version", "ssl_max_protocol_version"),
}
_LISTS = {"host", "port"}
_WITHOUT_EFFECT = {
    *("channel_binding", "gssencmode", "krbsrvname", "gsslib", "gssdelegation", "client_encoding"),
    *("keepalives", "keepalives_idle", "keepalives_interval", "keepalives_count", "tcp_user_timeout"),
    *("sslcompression", "sslsni", "load_balance_hosts", "min_protocol_version", "max_protocol_version"),
    "pgbouncer",  # Not of libpq: a platform adds it for another client. A pooler is recognised without it.
}
_VARIABLES = {
    name: f"PG{name.upper().replace('_', '')}"
    for name in (
        *("sslmode", "sslrootcert", "sslcert", "sslkey", "sslcrl", "sslnegotiation"),
        *("ssl_min_protocol_version", "ssl_max_protocol_version", "channel_binding", "gssencmode"),
    )
}
"""libpq's environment variables for encryption. The driver itself reads those for hosts and logins."""
_UNKEPT = ("PGREQUIREAUTH", "PGREQUIREPEER")
"""Variables that ask for a check of the server that the driver cannot make."""


@dataclass(frozen=True, slots=True)
class DatabaseUrl:
    """What a URL says; no host stands for the driver's own choice, an empty name for that of the user."""

    hosts: tuple[tuple[str, int], ...]
    user: str | None
    password: str | None = field(repr=False)
    database: str | None
    parameters: Mapping[str, str] = field(repr=False)
    inherited: frozenset[str] = frozenset()
    """The parameters that come from a variable of libpq."""

    @property
    def ssl_mode(self) -> str | None:
        """The ``sslmode`` that applies; ``sslrootcert=system`` alone asks for the strictest."""
        weakest = "verify-full" if self.parameters.get("sslrootcert") == "system" else None
        return self.parameters.get("sslmode", weakest)

    @property
    def without_effect(self) -> list[str]:
        """The parameters that are taken and change nothing."""
        return sorted(self.parameters.keys() & _WITHOUT_EFFECT)

    def shown(self, name: str) -> str:
        """The name of a parameter for an error message: the environment variable that set it, or its own."""
        return _VARIABLES[name] if name in self.inherited else name


def parse_url(text: str) -> DatabaseUrl:
    """Parse a URL; ValueError, without a piece of the password, for one that cannot be used as it stands."""
    scheme, _, rest = text.partition("://")
    before, _, query = rest.partition("?")
    authority, _, database = before.partition("/")
    login, _, hosts = authority.rpartition("@")
    # A password with a slash or a question mark in it moves its end there.
    if scheme not in _SCHEMES or "@" in database or "@" in query:
        raise ValueError(_FORM)
    user, _, password = login.partition(":")
    parameters = _parameters(query)
    inherited = _inherited(parameters)
    return DatabaseUrl(
        hosts=_hosts(parameters.pop("host", "") or _decoded(hosts), parameters.pop("port", "")),
        user=parameters.pop("user", "") or _decoded(user) or None,
        password=parameters.pop("password", "") or _decoded(password) or None,
        database=parameters.pop("dbname", "") or _decoded(database) or None,
        parameters=parameters | inherited,
        inherited=frozenset(inherited),
    )


def servers(text: str) -> tuple[list[str], str | None]:
    """The hosts of a URL and its ``sslmode``; the host of a socket is a path or empty."""
    url = parse_url(text)
    return [host for host, _ in url.hosts] or [""], url.ssl_mode


def _parameters(query: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for item in filter(None, query.split("&")):
        name, equals, value = map(_decoded, item.partition("="))
        if name not in _HONOURED | _WITHOUT_EFFECT:
            raise ValueError(_unknown(name if equals else ""))
        if name == "ssl":
            # As drivers of other languages write it; libpq takes ssl=true as well.
            name, value = "sslmode", {"true": "require", "false": "disable"}.get(value, value)
        if name in _LISTS and name in found:
            value = f"{found[name]},{value}"
        elif found.get(name, value) != value:
            raise ValueError(f"has two values of {name} after the question mark; leave one out")
        found[name] = value
        _check(name, value, name)
    if not fullmatch("[0-9]{1,4}", found.get("connect_timeout", "0")):
        raise ValueError("connect_timeout is a number of seconds")
    return found


def _inherited(named: Collection[str]) -> dict[str, str]:
    """The parameters that the URL does not name, and a variable of libpq does."""
    for variable in _UNKEPT:
        if os.environ.get(variable):
            raise ValueError(f"cannot keep {variable}; unset it")
    found = {name: os.environ.get(variable) for name, variable in _VARIABLES.items() if name not in named}
    inherited = {name: value for name, value in found.items() if value}
    for name, value in inherited.items():
        _check(name, value, _VARIABLES[name])
    return inherited


def _check(name: str, value: str, shown: str) -> None:
    if name in _VALUES and value not in _VALUES[name]:
        raise ValueError(f"{shown} is one of {', '.join(_VALUES[name])}")


def _unknown(name: str) -> str:
    likely = get_close_matches(name.lower(), _HONOURED | _WITHOUT_EFFECT, 1)
    meant = f"; {likely[0]} may be meant" if likely else ""
    shown = name if fullmatch("[A-Za-z0-9_.-]{1,40}", name) else "what stands there"
    return f"does not understand {shown} after the question mark{meant}; leave it out or correct it"


def _hosts(named: str, ports: str) -> tuple[tuple[str, int], ...]:
    """The hosts with their ports; a port that stands with its host goes before one of a list."""
    if not named:
        return (("", _port(ports)),) if ports else ()
    hosts, listed = named.split(","), (ports or os.environ.get("PGPORT") or "5432").split(",")
    if len(listed) not in {1, len(hosts)}:
        raise ValueError(f"names {len(hosts)} hosts and {len(listed)} ports")
    by_turn: Iterable[str] = repeat(listed[0]) if len(listed) == 1 else listed
    return tuple(_host(host, port) for host, port in zip(hosts, by_turn, strict=False))


def _host(text: str, port: str) -> tuple[str, int]:
    if text.startswith("/") or (text.count(":") > 1 and not text.startswith("[")):
        return text, _port(port)  # The path of a socket, or a bare IPv6 address.
    read = fullmatch(r"\[([0-9A-Fa-f:.%a-z]+)\](?::(.*))?|([^\[\]:]*)(?::(.*))?", text)
    if read is None:
        raise ValueError(_FORM)
    address, with_address, name, with_name = read.groups()
    return address or name or "localhost", _port(with_address or with_name or port)


def _port(text: str) -> int:
    if not fullmatch("[0-9]{1,6}", text):
        raise ValueError(_FORM)
    if not 0 < int(text) <= _LAST_PORT:
        raise ValueError(f"there is no port {int(text)}")
    return int(text)


def _decoded(text: str) -> str:
    try:
        decoded = unquote(text, errors="strict")
    except UnicodeDecodeError:
        raise ValueError(_FORM) from None
    if "\0" in decoded:
        raise ValueError(_FORM)
    return decoded
