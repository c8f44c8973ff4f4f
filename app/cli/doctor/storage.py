"""What Postgres, Redis and the signing keys are like, and what that means for the service."""

from collections.abc import Container, Iterator, Sequence
from datetime import datetime, timedelta

from app.cli.doctor.findings import Finding, note, ok, problem, warning
from app.domain.keys import KeyState, SigningKey, in_state
from app.services.key_changes import MEND
from app.storage.postgres.database import ServerFacts
from app.storage.redis.revocations import IndexFacts

_OLDEST_POSTGRES = 14
_OLDEST_INDEX = {"Redis": (7,), "Valkey": (7, 2)}
_A_SECOND = timedelta(seconds=1)


def postgres(server: ServerFacts) -> Iterator[Finding]:
    """Whether the server is new enough, and keeps what it has committed."""
    if server.version < _OLDEST_POSTGRES:
        yield problem(
            "postgres",
            f"It is PostgreSQL {server.version}, on which this release was never tried: upgrade to "
            f"{_OLDEST_POSTGRES} or newer.",
        )
    else:
        yield ok("postgres", f"PostgreSQL {server.version} answers, and takes writes.")
    if not server.waits_for_commits:
        yield warning(
            "postgres",
            "synchronous_commit is off: after a crash the last moments are gone, so that a refresh token "
            "that was used, and a session that was ended, are good again. Set it to on.",
        )
    if not server.writes_through:
        yield warning(
            "postgres",
            "fsync is off: a crash of the machine may destroy every account and key. Set it to on.",
        )


def tables(found: str, known: Sequence[str]) -> Finding:
    """Whether the tables are those of this release; revisions are listed from the oldest to the newest."""
    if found == known[-1]:
        return ok("postgres", f"The tables are those of this release (revision {found}).")
    if found in known:
        return problem(
            "postgres",
            f"The tables are of revision {found}, and this release needs {known[-1]}: requests fail until "
            "you run: python -m app migrate",
        )
    return warning(
        "postgres",
        f"The tables are of revision {found}, which this release does not know: a newer one has migrated "
        "them. Old code works on them during an upgrade; finish it.",
    )


def clock(asked: datetime, told: datetime, answered: datetime, leeway: timedelta) -> Finding:
    """How far this machine's clock is from Postgres's, read between the question and the answer."""
    apart = max(asked - told, told - answered, timedelta())
    if apart < _A_SECOND:
        return ok("postgres", "Its clock and this machine's are less than a second apart.")
    said = f"Its clock and this machine's are {apart.total_seconds():,.0f} seconds apart"
    if apart > leeway:
        return problem(
            "postgres",
            f"{said}, over AUTH_LEEWAY ({leeway.total_seconds():.0f} s): verifiers refuse fresh tokens, or "
            "believe expired ones. Let NTP set both.",
        )
    judged = warning if apart > leeway / 2 else ok
    return judged("postgres", f"{said}, of the {leeway.total_seconds():.0f} that AUTH_LEEWAY forgives.")


def redis(server: IndexFacts | None, trouble: str | None) -> Finding:
    """Whether Redis answers checks of tokens; ``trouble`` is why it was not believed when it was filled."""
    trouble = trouble or _trouble(server)
    if server is not None and server.version < _OLDEST_INDEX[server.name]:
        trouble = f"{server} does not know what the service asks: upgrade to Redis 7 or Valkey 7.2, or newer"
    if trouble is not None:
        return problem(
            "redis",
            f"{trouble}. Postgres answers every check of a token instead: nothing is forgotten, and it is "
            "slower.",
        )
    return ok(
        "redis",
        f"{server} answers, and evicts nothing (maxmemory-policy noeviction): it can answer checks of "
        "tokens.",
    )


def _trouble(server: IndexFacts | None) -> str | None:
    if server is None:
        return "Redis does not answer"
    if server.policy != "noeviction":
        return f"Redis may evict entries (maxmemory-policy {server.policy}): set maxmemory-policy noeviction"
    return None


def keys(found: Sequence[SigningKey], unopenable: Container[str]) -> Iterator[Finding]:
    """Whether there is a key that signs and one that stands by, and whether the secrets open them."""
    if not found:
        yield note("keys", "There is no signing key yet; the first start of the service makes two.")
        return
    yield _key(found, KeyState.SIGNING, unopenable, "signs", "nobody can sign in or refresh")
    yield _key(found, KeyState.STANDBY, unopenable, "stands by", "its turn to sign never comes")


def _key(
    found: Sequence[SigningKey], state: KeyState, unopenable: Container[str], does: str, harm: str
) -> Finding:
    key = in_state(found, state)
    if key is None:
        return warning(
            "keys", f"No key {does}: the service makes one within seconds. If it runs, look at its log."
        )
    if key.kid in unopenable:
        return problem(
            "keys", f"No secret in AUTH_SECRET_KEYS opens {key.kid}, which {does}: {harm}. The mend: {MEND}."
        )
    return ok("keys", f"{key.kid} ({key.algorithm}) {does}, and a secret in AUTH_SECRET_KEYS opens it.")
