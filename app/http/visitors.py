"""Where a request comes from, and how that is told to people."""

import re
from ipaddress import IPv6Address, ip_address

from starlette.requests import Request
from starlette.types import Scope
from ua_parser import parse_os, parse_user_agent

from app.domain.visitors import Visitor

_LONGEST_USER_AGENT = 256
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._+-]{0,39}", re.ASCII)


def visitor(request: Request) -> Visitor:
    """The address, if it is one, the user agent, cut and without control characters, and the request's id."""
    agent = "".join(letter for letter in request.headers.get("user-agent", "") if letter.isprintable())
    return Visitor(address(request.scope), agent[:_LONGEST_USER_AGENT] or None, request.state.request_id)


def in_words(user_agent: str | None) -> str | None:
    """A user agent as its owner would call it, such as ``Firefox on Linux``, or None when nobody knows it."""
    if user_agent is None:
        return None
    found = (parse_user_agent(user_agent), parse_os(user_agent))
    # Some names are taken from the text itself, and may be anything.
    names = [part.family for part in found if part is not None and _NAME.fullmatch(part.family)]
    return " on ".join(names) or None


def address(scope: Scope) -> str | None:
    """The address that a request came from, if it is one: a trusted proxy may forward anything."""
    host, _ = scope.get("client") or ("", 0)
    try:
        parsed = ip_address(host)
    except ValueError:
        return None
    # Of a socket for both kinds, an IPv4 address comes as an IPv6 one; one with a zone is nobody else's.
    if isinstance(parsed, IPv6Address):
        return None if parsed.scope_id else str(parsed.ipv4_mapped or parsed)
    return str(parsed)
