"""The head of a request: how large it may be, and how the server hands on one that it refused.

The server in ``app.server`` and the front both go by these.
"""

from collections.abc import Iterable

MAX_HEADERS = 16 * 1024
"""Bytes of all headers, counted by ``headers_size``."""
FAILURE = "watchword.failure"
"""The extension of an ASGI scope that is no request: it holds the status to answer with."""


def headers_size(headers: Iterable[tuple[bytes, bytes]]) -> int:
    """The size of headers as HTTP/2 counts it, so that many short ones add up (RFC 9113 section 6.5.2)."""
    return sum(len(name) + len(value) + 32 for name, value in headers)
