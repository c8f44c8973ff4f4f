"""``lifetimes``: how long tokens are accepted, and how long sessions last."""

from collections.abc import Iterator
from datetime import timedelta

from app.cli.doctor.findings import Finding, duration, note, ok, warning

_USUAL_ACCESS = timedelta(minutes=15)


def check_lifetimes(
    access: timedelta, idle: timedelta, absolute: timedelta, grace: timedelta, *, status_lists: bool
) -> Iterator[Finding]:
    """Check the lifetimes of access tokens and sessions, the grace of a refresh, and the status lists."""
    usual = access <= _USUAL_ACCESS
    finding, mend = (ok, "") if usual else (note, " The usual AUTH_ACCESS_TOKEN_TTL is 15 minutes.")
    yield finding(
        "lifetimes",
        f"An access token lives {duration(access)}. After a logout or a theft, services that check it with "
        f"the key set alone accept it until it expires.{mend}",
    )
    if status_lists:
        yield ok(
            "lifetimes",
            "Tokens name their place in a status list: services that read it refuse them within 11 seconds "
            "after their session has ended.",
        )
    else:
        yield note(
            "lifetimes",
            "AUTH_STATUS_LISTS is off, so a service that checks tokens alone cannot know that a session has "
            "ended before its token expires.",
        )
    if idle > absolute:
        yield warning(
            "lifetimes",
            f"Sessions end after {duration(absolute)} (AUTH_SESSION_TTL), so they are never idle for "
            f"{duration(idle)} (AUTH_SESSION_IDLE_TTL). Shorten AUTH_SESSION_IDLE_TTL, or a forgotten "
            "browser stays signed in until its session ends.",
        )
    if access > idle:
        yield note(
            "lifetimes",
            f"No access token outlives the idle end of its session: it lives {duration(idle)} "
            "(AUTH_SESSION_IDLE_TTL).",
        )
    if not grace:
        yield note(
            "lifetimes",
            "AUTH_REFRESH_GRACE is 0, which is strict: two tabs that refresh at once, or an answer that the "
            "network loses, count as theft and sign the user out.",
        )
