"""Visitors: whoever sends a request."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Visitor:
    """Where a request came from, as the session's owner may later want to see it, and the request's id."""

    address: str | None
    user_agent: str | None
    request_id: str | None = None
