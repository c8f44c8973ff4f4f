"""A request as the routes read it."""

import asyncio
import re
from collections.abc import Mapping
from functools import lru_cache
from ipaddress import IPv6Address, ip_address
from random import getrandbits
from typing import Any

from starlette.datastructures import QueryParams
from starlette.types import Receive, Scope

from app.domain.visitors import Visitor
from app.http.front.limits import read_body
from app.http.headers import Headers

INCOMING = "watchword.incoming"
"""The key of an ASGI scope under which the front hands on the request."""
HEAD = "watchword.head"
"""The key of an ASGI scope that the front has made a GET, for which no body is sent."""
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)
_LONGEST_USER_AGENT = 256
_MOST_ADDRESSES = 1024


class Incoming:
    """A request: its headers, which are indexed once, its id, where it comes from, and its body."""

    __slots__ = ("_body", "address", "headers", "id", "path_params", "receive", "scope")

    def __init__(self, scope: Scope, receive: Receive) -> None:
        self.scope = scope
        self.receive = receive
        self.headers = Headers(scope["headers"])
        self.id = _id(self.headers)
        self.address = _address((scope.get("client") or ("",))[0])
        self.path_params: Mapping[str, Any] = {}
        self._body: bytes | None = None

    @property
    def route(self) -> str | None:
        """The path of the route that answers, with the names of its parameters, or None."""
        return getattr(self.scope.get("route"), "path", None)

    @property
    def query_params(self) -> QueryParams:
        """The parameters of the query."""
        return QueryParams(self.scope["query_string"])

    @property
    def is_draining(self) -> bool:
        """Whether the process is about to end. The server puts it into the state of a request."""
        return bool(self.scope.get("state", {}).get("draining"))

    @property
    def leaving(self) -> asyncio.Event | None:
        """Set once the process is about to end or is replaced, so that no response may go on and on."""
        found: asyncio.Event | None = self.scope.get("state", {}).get("leaving")
        return found

    @property
    def is_head(self) -> bool:
        """Whether the server leaves out the body of the response."""
        return HEAD in self.scope

    @property
    def visitor(self) -> Visitor:
        """The address, the user agent (shortened and without control characters) and the request's id."""
        agent = self.headers.get("user-agent")
        if not agent.isprintable():
            agent = "".join(filter(str.isprintable, agent))
        return Visitor(self.address, agent[:_LONGEST_USER_AGENT] or None, self.id)

    async def body(self) -> bytes:
        """The whole body; refused as ``read_body`` says."""
        if self._body is None:
            self._body = await read_body(self.receive)
        return self._body


def _id(headers: Headers) -> str:
    """The id that the client chose, if it is well formed, or else a new one."""
    offered = headers.get("x-request-id")
    return offered if offered and _REQUEST_ID.fullmatch(offered) else f"{getrandbits(128):032x}"


@lru_cache(_MOST_ADDRESSES)
def _address(host: str) -> str | None:
    """The address of the client, or None: a trusted proxy may forward a text that is no address."""
    try:
        parsed = ip_address(host)
    except ValueError:
        return None
    # A socket for both kinds shows an IPv4 address as an IPv6 one. An address with a zone is link-local.
    if isinstance(parsed, IPv6Address):
        return None if parsed.scope_id else str(parsed.ipv4_mapped or parsed)
    return str(parsed)
