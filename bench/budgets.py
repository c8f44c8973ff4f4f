"""What `make bench` measures, and what each operation may cost.

A budget is a ratio of CPU time: that of the service, Postgres and Redis to that of the floor, which is a bare
FastAPI application that does only the unavoidable on the same data.
"""

from typing import NamedTuple

SERVICE, ES256, CHEAP_HASH = "service", "service-es256", "service-cheap-hash"
"""The service as in production, the same one with ES256 keys, and the same one with hashes that are cheap."""
FASTAPI, ASGI = "fastapi", "asgi"
"""The floors: the least that an application of the framework does, and one without a framework."""


class Operation(NamedTuple):
    """One kind of request: which service is measured, how many requests at a time, and the budget if any."""

    name: str
    service: str
    in_flight: int
    budget: float | None


OPERATIONS = (
    Operation("refresh", SERVICE, 8, 0.90),
    # The floor is the same as that of RS256: the budget says how much ES256 saves as well.
    Operation("refresh_es256", ES256, 8, 0.50),
    # The floor hashes with the published wheel of argon2.
    Operation("login", SERVICE, 4, 0.60),
    Operation("login_without_hash", CHEAP_HASH, 8, 1.05),
    Operation("logout", SERVICE, 8, 0.75),
    Operation("logout_bearer", SERVICE, 8, 1.10),
    Operation("jwks", SERVICE, 8, 0.55),
    Operation("jwks_304", SERVICE, 8, 0.50),
    # The floor looks revocations up in Redis and reads the account from Postgres, as is usual.
    Operation("me", SERVICE, 8, 0.65),
    # The floor leaves that to the statement, which finds revocations as well.
    Operation("me_postgres_alone", SERVICE, 8, None),
)
