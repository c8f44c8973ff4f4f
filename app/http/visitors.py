"""Visitors: where a request comes from, and how a user agent is shown to people."""

import asyncio
import re
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from ipaddress import IPv6Address, ip_address

from starlette.requests import Request
from starlette.types import Scope
from ua_parser import parse_os, parse_user_agent

from app.domain.visitors import Visitor

_LONGEST_USER_AGENT = 256
# Odd texts take ten milliseconds and more. One thread keeps them out of the event loop, and leaves it most of
# the processor. The parser's cache, which is bounded, is made for one thread as well.
_parser = ThreadPoolExecutor(1, "user-agents")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._+-]{0,39}", re.ASCII)


def visitor(request: Request) -> Visitor:
    """The address, the user agent (shortened and without control characters) and the request's id."""
    agent = "".join(letter for letter in request.headers.get("user-agent", "") if letter.isprintable())
    return Visitor(request.state.address, agent[:_LONGEST_USER_AGENT] or None, request.state.request_id)


def in_words(user_agent: str | None) -> str | None:
    """A user agent in words, such as ``Firefox on Linux``, or None when it is not recognised."""
    if user_agent is None:
        return None
    found = (parse_user_agent(user_agent), parse_os(user_agent))
    # The parser takes some names from the text itself, so they may hold anything.
    names = [part.family for part in found if part is not None and _NAME.fullmatch(part.family)]
    return " on ".join(names) or None


async def each_in_words(user_agents: Iterable[str | None]) -> dict[str | None, str | None]:
    """The words for each of these user agents; callers take turns at each of them."""
    loop = asyncio.get_running_loop()
    return {
        agent: await loop.run_in_executor(_parser, in_words, agent) for agent in dict.fromkeys(user_agents)
    }


def address(scope: Scope) -> str | None:
    """The address of the client, or None: a trusted proxy may forward a text that is no address."""
    host, _ = scope.get("client") or ("", 0)
    try:
        parsed = ip_address(host)
    except ValueError:
        return None
    # A socket for both kinds shows an IPv4 address as an IPv6 one. An address with a zone is link-local.
    if isinstance(parsed, IPv6Address):
        return None if parsed.scope_id else str(parsed.ipv4_mapped or parsed)
    return str(parsed)
