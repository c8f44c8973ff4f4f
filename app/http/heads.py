"""The head of a request: how large it may be, and how the server hands on one that it refused.

The server in ``app.server`` and the middleware both go by these.
"""

MAX_HEADERS = 16 * 1024
"""Bytes of all headers, each counted by ``header_size``."""
FAILURE = "watchword.failure"
"""The extension of an ASGI scope that is no request: it holds the status to answer with."""


def header_size(name: bytes, value: bytes) -> int:
    """The size of a header as HTTP/2 counts it, so that many short ones add up (RFC 9113 section 6.5.2)."""
    return len(name) + len(value) + 32
