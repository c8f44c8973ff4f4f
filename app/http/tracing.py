"""Trace context: what a proxy or a client says about the trace that a request belongs to."""

import re

from app.http.headers import Headers

# A version after 00 may append fields (W3C Trace Context section 3.2.2).
_TRACEPARENT = re.compile(
    r"(?P<version>[0-9a-f]{2})-(?P<trace_id>[0-9a-f]{32})-(?P<span_id>[0-9a-f]{16})-[0-9a-f]{2}(?P<more>-.*)?",
    re.ASCII,
)


def trace_context(headers: Headers) -> dict[str, str]:
    """The ``trace_id`` and the ``span_id`` of the caller, or nothing when they are absent or invalid."""
    offered = headers.getlist("traceparent")
    found = _TRACEPARENT.fullmatch(offered[0]) if len(offered) == 1 else None
    if found is None or found["version"] == "ff" or (found["version"] == "00" and found["more"]):
        return {}
    ids = {name: found[name] for name in ("trace_id", "span_id")}
    # Ids of zeros alone are invalid (sections 3.2.2.3 and 3.2.2.4).
    return ids if all(value.strip("0") for value in ids.values()) else {}
