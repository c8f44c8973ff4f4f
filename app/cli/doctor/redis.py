"""``redis``: whether Redis or Valkey can answer the checks of access tokens."""

from app.cli.doctor.findings import Finding, ok, problem
from app.storage.redis.revocations import IndexFacts

_OLDEST = {"Redis": (7,), "Valkey": (7, 2)}


def check_server(server: IndexFacts | None, trouble: str | None) -> Finding:
    """Check the server's version and eviction policy. ``trouble`` is why an upload was not trusted."""
    trouble = trouble or _trouble(server)
    if server is not None and server.version < _OLDEST[server.name]:
        trouble = f"{server} lacks what the service needs: upgrade to Redis 7 or Valkey 7.2, or newer"
    if trouble is not None:
        return problem(
            "redis",
            f"{trouble}. Postgres answers every check of a token instead: every revocation still counts, "
            "but checks are slower.",
        )
    return ok(
        "redis",
        f"{server} answers and evicts nothing (maxmemory-policy noeviction): it can answer checks of tokens.",
    )


def _trouble(server: IndexFacts | None) -> str | None:
    if server is None:
        return "Redis does not answer"
    if server.policy != "noeviction":
        return f"Redis may evict entries (maxmemory-policy {server.policy}): set maxmemory-policy noeviction"
    return None
