"""The status of a session in the status lists (draft-ietf-oauth-status-list section 4).

A session has a number. Its high bits name a list, and its low bits the place of the session in that list.
"""

from typing import NamedTuple

BITS = 20
SIZE = 1 << BITS
"""How many sessions a list has places for."""


class Status(NamedTuple):
    """A list, and the place of a session in it."""

    list: int
    place: int

    @classmethod
    def of(cls, number: int) -> "Status":
        """The status of the session with this number."""
        return cls(number >> BITS, number & (SIZE - 1))


def reference(issuer: str, number: int) -> dict[str, object]:
    """The place of a session, as tokens and events name it (section 6.2)."""
    status = Status.of(number)
    return {"idx": status.place, "uri": list_uri(issuer, status.list)}


def list_uri(issuer: str, number: int) -> str:
    """Where the list with this number is published."""
    return f"{issuer.removesuffix('/')}/status/{number}"
