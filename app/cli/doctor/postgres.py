"""``postgres``: the server's version, its durability, the role, its tables and its clock."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from app.cli.doctor.findings import Finding, note, ok, problem, warning
from app.domain.clock import TOLERANCE, difference
from app.storage.postgres.database import ServerFacts

_OLDEST = 14
_POOLED = (
    "A pooler answers in front of Postgres: each transaction sets its own limits, and no statement stays "
    "prepared."
)


def check_server(server: ServerFacts) -> Iterator[Finding]:
    """Check the server's version, the rights of the role, and that a crash loses no commit."""
    if server.version < _OLDEST:
        yield problem(
            "postgres",
            f"The server is PostgreSQL {server.version}, with which this release was never tested. Upgrade "
            f"to {_OLDEST} or newer.",
        )
    else:
        yield ok("postgres", f"PostgreSQL {server.version} answers and accepts writes.")
    # A server where these are wrong cannot be described: the connection or the ping before was refused.
    yield ok(
        "postgres",
        "The role has the rights that requests need on each table. The encoding is UTF8, and transactions "
        "are READ COMMITTED.",
    )
    yield ok("postgres", _POOLED if server.is_pooled else "The service reaches Postgres without a pooler.")
    if server.owns_tables or server.creates_tables:
        may = "owns the tables" if server.owns_tables else "may create tables beside those of the service"
        yield warning(
            "postgres",
            f"The role of the service {may}: an attacker who can run a statement as this role could also "
            "change what the tables and their triggers do. Give the service a role with the rights of "
            "deploy/grants.sql, and leave the tables to their owner.",
        )
    if not server.waits_for_commits:
        yield warning(
            "postgres",
            "synchronous_commit is off: a crash loses the last commits, so used refresh tokens and ended "
            "sessions become valid again. Set it to on.",
        )
    if not server.writes_through:
        yield warning(
            "postgres",
            "fsync is off: a crash of the machine may destroy every account and key. Set it to on.",
        )


def check_parameters(without_effect: Sequence[str]) -> Iterator[Finding]:
    """Name the parameters of the URL that change nothing, and what one of them would protect from."""
    if "channel_binding" in without_effect:
        yield note(
            "tls",
            "channel_binding in AUTH_DATABASE_URL has no effect, because the driver cannot bind the password "
            "to the TLS connection. sslmode=verify-full keeps an attacker from posing as Postgres as well.",
        )
    others = [name for name in without_effect if name != "channel_binding"]
    if others:
        yield note("postgres", f"These parameters of AUTH_DATABASE_URL have no effect: {', '.join(others)}.")


def check_tables(found: str, known: Sequence[str]) -> Finding:
    """Compare the tables' revision with those that this release knows, listed from oldest to newest."""
    if found == known[-1]:
        return ok("postgres", f"The tables match this release (revision {found}).")
    if found in known:
        return problem(
            "postgres",
            f"The tables have revision {found}, and this release needs {known[-1]}: requests fail until "
            "you run: python -m app migrate",
        )
    return warning(
        "postgres",
        f"The tables have revision {found}, which this release does not know: a newer release has migrated "
        "them. Old code works on them during an upgrade. Finish the upgrade.",
    )


def check_clock(asked: datetime, server: datetime, answered: datetime, leeway: timedelta) -> Finding:
    """Compare Postgres's clock with this machine's, read before the query and after its answer."""
    apart = difference(asked, server, answered)
    if apart < TOLERANCE:
        return ok("postgres", "The clocks of Postgres and of this machine differ by less than a second.")
    differ = f"The clocks of Postgres and of this machine differ by {apart.total_seconds():,.0f} seconds"
    if apart > leeway:
        return problem(
            "postgres",
            f"{differ}, more than AUTH_LEEWAY ({leeway.total_seconds():.0f} s): verifiers refuse fresh "
            "tokens, or accept expired ones, and the service is not ready. Set both clocks by NTP.",
        )
    finding = warning if apart > leeway / 2 else ok
    return finding("postgres", f"{differ}. AUTH_LEEWAY allows {leeway.total_seconds():.0f}.")
