"""What the settings promise about secrets and guesses."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from stat import S_IROTH

from app.cli.doctor.findings import Finding, duration, note, ok, warning
from app.domain.throttling import Limit

_NIST = 100
"""Consecutive failures that SP 800-63B-4 section 3.2.2 allows at most for one account."""
_DAY = timedelta(days=1)


def secrets(listed: int, files: Mapping[str, int]) -> Iterator[Finding]:
    """How many secrets there are, and who can read the files that variables name (their modes)."""
    if listed == 1:
        yield ok("secrets", "AUTH_SECRET_KEYS lists one secret, which is long and random enough.")
    else:
        yield note(
            "secrets",
            f"AUTH_SECRET_KEYS lists {listed} secrets, as while one is replaced: the first makes what is "
            "new, and all are accepted. After `keys reseal` and AUTH_SESSION_TTL the old ones can go.",
        )
    for variable, mode in files.items():
        if mode & S_IROTH:
            yield warning(
                "secrets",
                f"Every user of this machine can read the file that {variable} names (mode "
                f"{mode & 0o777:o}): let the service's user own it, and chmod 400.",
            )


def limits(account: Sequence[Limit]) -> Iterator[Finding]:
    """How often one account's password may be guessed by who never signed in to it."""
    said = ", ".join(f"{limit.amount:,} in {duration(limit.window)}" for limit in account)
    if account[-1].amount > _NIST:
        yield warning(
            "limits",
            f"AUTH_LOGIN_LIMIT_ACCOUNT lets {said} wrong passwords of one account through; NIST SP "
            f"800-63B-4 wants at most {_NIST} in a row. Lower the last number to {_NIST}.",
        )
        return
    yield ok("limits", f"At most {said}: so many wrong passwords of one account are let through.")
    longest = account[-1]
    if longest.window < _DAY:
        yield note(
            "limits",
            "The longest window of AUTH_LOGIN_LIMIT_ACCOUNT is shorter than a day: who guesses patiently has "
            f"{longest.amount * int(_DAY / longest.window):,} tries a day.",
        )
