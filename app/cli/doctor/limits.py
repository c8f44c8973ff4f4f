"""``limits``: how often the password of one account can be guessed."""

from collections.abc import Iterator, Sequence
from datetime import timedelta

from app.cli.doctor.findings import Finding, duration, note, ok, warning
from app.domain.throttling import Limit

_NIST = 100
"""Consecutive failures that NIST SP 800-63B-4 section 3.2.2 allows for one account."""
_DAY = timedelta(days=1)


def check_limits(account: Sequence[Limit]) -> Iterator[Finding]:
    """Check how many wrong passwords devices that never signed in to an account may try."""
    amounts = ", ".join(f"{limit.amount:,} in {duration(limit.window)}" for limit in account)
    longest = account[-1]
    if longest.amount > _NIST:
        yield warning(
            "limits",
            f"AUTH_LOGIN_LIMIT_ACCOUNT allows {amounts} wrong passwords for one account. NIST SP 800-63B-4 "
            f"allows at most {_NIST} consecutive failures. Lower the last number to {_NIST}.",
        )
        return
    yield ok("limits", f"Wrong passwords for one account are limited to {amounts}.")
    if longest.window < _DAY:
        yield note(
            "limits",
            "The longest window of AUTH_LOGIN_LIMIT_ACCOUNT is shorter than a day: a patient attacker has "
            f"{longest.amount * int(_DAY / longest.window):,} guesses a day.",
        )
