"""``health``: the answers of /livez and /readyz."""

from collections.abc import Iterator

from app.cli.doctor.client import Answer, describe, json_object
from app.cli.doctor.findings import Finding, ok, problem, warning

_HARM = {
    "redis": "Postgres does the work of Redis, and is slower.",
    "log": "Lines of the log are lost: nothing reads it, or it cannot be written.",
}


def check_health(alive: Answer, ready: Answer) -> Iterator[Finding]:
    """Check that the service reports itself alive and ready."""
    if (json_object(alive) or {}).get("status") == "alive":
        yield ok("health", "/livez: the process answers.")
    else:
        yield problem(
            "health",
            f"/livez is not answered by the service ({describe(alive)}): another program is at this address, "
            "or the proxy does not forward the request.",
        )
    report = json_object(ready) or {}
    if report.get("status") not in ("ready", "not ready", "draining"):
        yield problem("health", f"/readyz is not answered by the service ({describe(ready)}).")
        return
    parts = [part for part, state in report.items() if state == "failing"]
    failing = ", ".join(parts)
    if report["status"] == "not ready":
        yield problem("health", f"/readyz: not ready, failing: {failing}. Users cannot sign in or refresh.")
    elif report["status"] == "draining":
        yield warning("health", "/readyz: the process that answered is about to end.")
    elif parts:
        harm = " ".join(_HARM[part] for part in parts if part in _HARM)
        yield warning("health", f"/readyz: ready, but failing: {failing}. {harm}".rstrip())
    else:
        yield ok("health", "/readyz: ready, and every part is ok.")
