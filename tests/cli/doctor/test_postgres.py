"""Findings about the Postgres server, its tables and its clock."""

from datetime import UTC, datetime, timedelta

import pytest

from app.cli.doctor.postgres import check_clock, check_parameters, check_server, check_tables
from app.storage.postgres.database import ServerFacts

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("server", "expected"),
    [
        (ServerFacts(14, True, True, NOW), ["ok PostgreSQL 14 answers", "ok The role has"]),
        (ServerFacts(13, True, True, NOW), ["problem The server is PostgreSQL 13", "ok The role has"]),
        (
            ServerFacts(18, False, True, NOW),
            ["ok PostgreSQL 18", "ok The role has", "warning synchronous_commit is off"],
        ),
        (ServerFacts(18, True, False, NOW), ["ok PostgreSQL 18", "ok The role has", "warning fsync is off"]),
    ],
)
def test_postgres_is_in_order_if_it_is_new_and_a_crash_loses_no_commit(
    server: ServerFacts, expected: list[str]
) -> None:
    findings = [f"{finding.level} {finding.text}" for finding in check_server(server)]
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
