"""Findings about Redis."""

import pytest

from app.cli.doctor.redis import check_server
from app.storage.redis.revocations import IndexFacts


@pytest.mark.requirement("L2")
@pytest.mark.parametrize(
    ("server", "trouble", "level", "text"),
    [
        (
            IndexFacts("Valkey", (9, 1, 0), "noeviction"),
            None,
            "ok",
            "Valkey 9.1.0 answers and evicts nothing",
        ),
        (IndexFacts("Redis", (7, 0, 1), "noeviction"), None, "ok", "Redis 7.0.1 answers"),
        (IndexFacts("Redis", (6, 2, 14), "noeviction"), None, "problem", "Redis 6.2.14 lacks"),
        (IndexFacts("Redis", (8, 0), "allkeys-lru"), None, "problem", "(maxmemory-policy allkeys-lru): set"),
        (IndexFacts("Redis", (8, 0), "noeviction"), "It is full", "problem", "It is full. Postgres answers"),
        (None, None, "problem", "Redis does not answer. Postgres answers"),
    ],
)
def test_redis_is_in_order_if_its_answers_can_be_trusted(
    server: IndexFacts | None, trouble: str | None, level: str, text: str
) -> None:
    finding = check_server(server, trouble)
    assert (finding.level, finding.subject) == (level, "redis")
    assert text in finding.text
