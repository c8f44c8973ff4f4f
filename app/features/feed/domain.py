"""The revocation feed: its events as text, and the ids from which a listener resumes.

The form is that of server-sent events (HTML Standard section 9.2). An id is ``<epoch>.<time>-<snapshot>``:
a hash of the run of the database, when the id was made, and which transactions had been committed by then.
Clients take it as it is.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from hashlib import sha256
from math import ceil
from typing import NamedTuple

from app.domain.revocations import Kind, Revocation
from app.domain.statuses import reference

SCOPE = "revocations:read"
"""The scope of the clients that may listen."""
COMMENT_EVERY = timedelta(seconds=15)
"""How often a listener hears something, and its access token is checked again."""
RETRY = b"retry: 2000\n\n"
READY, RESET = "ready", "reset"
LONGEST_ID = 1024
"""Characters of an id. It travels in a header."""
_ID = re.compile(r"([0-9a-f]{12})\.([0-9]{1,12})-([0-9]{1,19})_([0-9]{1,19})_((?:[0-9]{1,19}-)*[0-9]{1,19})?")
_LAST_TRANSACTION = 2**63


class Message(NamedTuple):
    """An event: its name and its data."""

    name: str
    data: Mapping[str, object]


class Place(NamedTuple):
    """Where a listener stopped: the run of the database, the time, and the snapshot as Postgres writes it."""

    epoch: str
    at: int
    snapshot: str

    def position(self, now: str) -> str | None:
        """This place as a position of the store, or None if ``now`` is a position of another run."""
        epoch, _, _ = now.rpartition(" ")
        return f"{epoch} {self.snapshot}" if _hash(epoch) == self.epoch else None

    def is_older_than(self, kept: timedelta, *, now: datetime) -> bool:
        """Whether revocations that followed it may have been deleted."""
        return now.timestamp() - self.at > kept.total_seconds()


def event_id(position: str, at: datetime) -> str:
    """The id of a position of the store that was reached at this time."""
    epoch, _, snapshot = position.rpartition(" ")
    start = f"{_hash(epoch)}.{int(at.timestamp())}-"
    text = snapshot.replace(":", "_").replace(",", "-")
    if len(start) + len(text) > LONGEST_ID:
        # Thousands of open transactions. At the oldest of them, some events come twice, and none is missed.
        oldest = snapshot.partition(":")[0]
        text = f"{oldest}_{oldest}_"
    return start + text


def parse_id(text: str) -> Place | None:
    """The place that an id names, or None for a text that is no id of ours."""
    found = _ID.fullmatch(text) if len(text) <= LONGEST_ID else None
    if found is None:
        return None
    epoch, at, first, end, listed = found.groups()
    running = [int(number) for number in listed.split("-")] if listed else []
    # Postgres refuses any other snapshot.
    if not 0 < int(first) <= int(end) < _LAST_TRANSACTION or running != sorted(set(running)):
        return None
    if running and not int(first) <= running[0] <= running[-1] < int(end):
        return None
    snapshot = f"{int(first)}:{int(end)}:{','.join(map(str, running))}"
    return Place(epoch, int(at), snapshot)


def messages(revoked: Mapping[str, Revocation], issuer: str | None) -> Iterator[Message]:
    """The events of these revocations; ``issuer`` is None where there are no status lists.

    The release before schema 0011 does not say what it revoked. The lists say it, so one ``reset`` follows.
    """
    is_unknown = False
    for entry, revocation in revoked.items():
        # Other services look for neither single tokens nor clients.
        if revocation.kind is Kind.SESSION:
            yield Message("session-revoked", _session(entry, revocation, issuer))
        elif revocation.kind is Kind.KEY:
            yield Message("key-retired", {"kid": entry})
        elif revocation.kind is None:
            is_unknown = True
    if is_unknown:
        yield Message(RESET, {})


def event(message: Message, id_: str | None = None) -> str:
    """An event as it is sent; one that has no id leaves the listener with the id before it."""
    data = json.dumps(message.data, separators=(",", ":"))
    line = "" if id_ is None else f"id: {id_}\n"
    return f"{line}event: {message.name}\ndata: {data}\n\n"


def events(told: Iterable[Message], id_: str | None) -> str:
    """Events as they are sent, with an id that stands for all of them at the last one."""
    *others, last = told
    return "".join([*map(event, others), event(last, id_)])


def comment(id_: str) -> str:
    """A comment, with an id that counts without an event."""
    return f": waiting\nid: {id_}\n\n"


def _session(entry: str, revocation: Revocation, issuer: str | None) -> dict[str, object]:
    data: dict[str, object] = {"sid": entry, "sub": str(revocation.subject)}
    if issuer is not None and revocation.status is not None:
        data["status"] = reference(issuer, revocation.status)
    return data | {"exp": ceil(revocation.expires_at.timestamp()), "reason": revocation.reason}


def _hash(epoch: str) -> str:
    return sha256(epoch.encode()).hexdigest()[:12]
