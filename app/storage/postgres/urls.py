"""Converts the URL of Postgres from the form that operators write to the form that the driver takes."""

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

_LAST_PORT = 65_535
_SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")


def database_url(text: str) -> URL:
    """The URL for asyncpg; the given one may name a driver, and may have libpq's ``sslmode``.

    ValueError when it is not a URL of Postgres, or has an option that the driver does not know.
    """
    try:
        url = make_url(text).set(drivername="postgresql+asyncpg")
    except (ArgumentError, ValueError):
        raise ValueError("is not of the form postgresql://user:password@host:5432/database") from None
    if url.port is not None and not 0 < url.port <= _LAST_PORT:
        raise ValueError(f"there is no port {url.port}")
    if unknown := url.query.keys() - {"host", "port", "ssl", "sslmode"}:
        raise ValueError(f"understands sslmode, host and port after the question mark, not {min(unknown)}")
    mode = url.query.get("sslmode")
    if mode is None:
        return url
    if mode not in _SSL_MODES:
        raise ValueError(f"sslmode is one of {', '.join(_SSL_MODES)}")
    return url.difference_update_query(["sslmode"]).update_query_dict({"ssl": mode})


def servers(text: str) -> tuple[list[str], str | None]:
    """The hosts of a URL and its ``sslmode``; the host of a socket is a path or empty."""
    url = database_url(text)
    asked = url.query.get("host", url.host or "")
    hosts = [asked] if isinstance(asked, str) else asked
    mode = url.query.get("ssl")
    # In a list, each host comes with its port. An IPv6 address has more than one colon.
    named = [host.partition(":")[0] if host.count(":") == 1 else host for host in hosts]
    return named, mode if isinstance(mode, str) else None
