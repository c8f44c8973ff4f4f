"""Findings about the Postgres server, its tables and its clock."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.cli.doctor.postgres import check_clock, check_parameters, check_server, check_tables
from app.storage.postgres.database import ServerFacts

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)


SERVER = ServerFacts(
    version=18,
    waits_for_commits=True,
    writes_through=True,
    owns_tables=False,
    creates_tables=False,
    is_pooled=False,
    now=NOW,
)
IN_ORDER = ["ok PostgreSQL 18 answers", "ok The role has", "ok The service reaches Postgres without a pooler"]
RIGHTS = "warning The role of the service"


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({}, IN_ORDER),
        ({"version": 14}, ["ok PostgreSQL 14 answers", *IN_ORDER[1:]]),
        ({"version": 13}, ["problem The server is PostgreSQL 13", *IN_ORDER[1:]]),
        ({"is_pooled": True}, [*IN_ORDER[:2], "ok A pooler answers"]),
        ({"owns_tables": True, "creates_tables": True}, [*IN_ORDER, f"{RIGHTS} owns the tables"]),
        ({"creates_tables": True}, [*IN_ORDER, f"{RIGHTS} may create tables"]),
        ({"waits_for_commits": False}, [*IN_ORDER, "warning synchronous_commit is off"]),
        ({"writes_through": False}, [*IN_ORDER, "warning fsync is off"]),
    ],
)
def test_postgres_is_in_order_if_it_is_new_and_a_crash_loses_no_commit_and_the_role_changes_rows_only(
    facts: dict[str, Any], expected: list[str]
) -> None:
    findings = [f"{finding.level} {finding.text}" for finding in check_server(SERVER._replace(**facts))]
    assert all(found.startswith(text) for found, text in zip(findings, expected, strict=True)), findings


@pytest.mark.parametrize(
    ("found", "level", "text"),
    [
        ("0002", "ok", "match this release"),
        ("0001", "problem", "this release needs 0002: requests fail until you run: python -m app migrate"),
        ("0003", "warning", "a newer release has migrated them"),
    ],
)
def test_tables_are_in_order_if_their_revision_is_that_of_the_release(
    found: str, level: str, text: str
) -> None:
    finding = check_tables(found, ["0001", "0002"])
    assert finding.level == level
    assert text in finding.text


@pytest.mark.parametrize(
    ("seconds", "leeway", "level"),
    [
        (0, 30, "ok"),
        (0.9, 0, "ok"),
        (-0.9, 0, "ok"),
        (1, 0, "problem"),
        (15, 30, "ok"),
        (16, 30, "warning"),
        (-16, 30, "warning"),
        (30, 30, "warning"),
        (31, 30, "problem"),
        (-31, 30, "problem"),
    ],
)
def test_clocks_are_in_order_up_to_half_the_leeway(seconds: float, leeway: int, level: str) -> None:
    server = NOW + timedelta(seconds=seconds)
    assert check_clock(NOW, server, NOW, timedelta(seconds=leeway)).level == level


def test_the_time_of_a_slow_answer_is_no_difference_between_clocks() -> None:
    late = NOW + timedelta(seconds=4)
    assert check_clock(NOW, NOW + timedelta(seconds=3), late, timedelta()).level == "ok"


def test_parameters_without_effect_are_named() -> None:
    assert [*check_parameters([])] == []
    binding, others = check_parameters(["channel_binding", "keepalives", "sslsni"])
    assert (binding.level, binding.subject) == ("note", "tls")
    assert "sslmode=verify-full" in binding.text
    assert others.text == "These parameters of AUTH_DATABASE_URL have no effect: keepalives, sslsni."
