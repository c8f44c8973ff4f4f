"""Hosts and networks that several layers tell apart."""

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
"""The names by which a machine reaches itself only."""
CUSTOMER_PREFIX = 64
"""One IPv6 customer has a /64 at least (RFC 6177), and can use every address in it."""
