"""The head of a request: how large it may be, and how the server hands on one that it refused.

The server in ``app.server`` and the front both go by these.
"""

MAX_HEADERS = 16 * 1024
"""Bytes of all headers, each with its name, its value and ``HEADER_OVERHEAD``."""
HEADER_OVERHEAD = 32
"""Bytes that HTTP/2 adds to each header, so that many short ones add up (RFC 9113 section 6.5.2)."""
FAILURE = "watchword.failure"
"""The extension of an ASGI scope that is no request: it holds the status to answer with."""
