"""Visitors: the senders of requests."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Visitor:
    """The origin of a request, as the session's owner may later see it, and the request's id."""

    address: str | None
    user_agent: str | None
    request_id: str | None = None
