"""The claims of access tokens, and the exact boundaries at which they are accepted."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.access_tokens import ClientToken, SessionToken, TokenPolicy, claims, expiry, parse_claims
from app.domain.sessions import ClientKind, SessionGrant

NOW = datetime(2026, 7, 1, 12, 0, 0, tzinfo=UTC)
SECOND, TICK = timedelta(seconds=1), timedelta(microseconds=1)
LEEWAY = 30 * SECOND
POLICY = TokenPolicy("https://id.example.com", "https://api.example.com", timedelta(minutes=15), LEEWAY)
ACCOUNT, SESSION = UUID("0192f0c1-2c5e-7aaa-8bbb-0123456789ab"), UUID("5f1d7a52-9c2b-4a0e-8a53-1f0c2f8a3d11")
EXPIRES = NOW + POLICY.lifetime


def grant(*, ends: datetime = NOW + timedelta(days=30)) -> SessionGrant:
    return SessionGrant(
        SESSION, ACCOUNT, ClientKind.BROWSER, ("editor",), ("pwd",), NOW - 5 * SECOND, ends, "a-kid"
    )


def payload(**changes: Any) -> dict[str, object]:
    return claims(grant(), POLICY, "an-id", now=NOW) | changes


@pytest.mark.requirement("T3")
def test_a_payload_claims_exactly_what_the_design_lists() -> None:
    noon = int(NOW.timestamp())

    assert payload() == {
        "iss": "https://id.example.com",
        "aud": "https://api.example.com",
        "sub": str(ACCOUNT),
        "iat": noon,
        "nbf": noon - 30,
        "exp": noon + 900,
        "jti": "an-id",
        "sid": str(SESSION),
        "client_id": "browser",
        "roles": ["editor"],
        "auth_time": noon - 5,
        "amr": ["pwd"],
    }
    assert {type(payload()[name]) for name in ("iat", "nbf", "exp", "auth_time")} == {int}


def test_a_payload_is_accepted_with_the_facts_of_its_session() -> None:
    assert parse_claims(payload(), POLICY, now=NOW) == SessionToken(
        "an-id", SESSION, ACCOUNT, ClientKind.BROWSER, ("editor",), NOW, EXPIRES
    )


@pytest.mark.requirement("T4")
@given(st.datetimes(datetime(2000, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001 - bounds
def test_a_new_token_is_accepted_immediately_at_any_fraction_of_a_second(now: datetime) -> None:
    fresh = claims(grant(ends=now + timedelta(days=1)), POLICY, "an-id", now=now)

    assert parse_claims(fresh, POLICY, now=now) is not None


@pytest.mark.parametrize(
    ("left", "expected"),
    [
        (timedelta(days=1), timedelta(minutes=15)),
        (timedelta(minutes=15), timedelta(minutes=15)),
        (SECOND, SECOND),
    ],
)
def test_a_token_expires_after_its_lifetime_and_never_after_its_session(
    left: timedelta, expected: timedelta
) -> None:
    ending = grant(ends=NOW + left)

    assert expiry(ending, POLICY, now=NOW) == NOW + expected
    assert claims(ending, POLICY, "an-id", now=NOW)["exp"] == int((NOW + expected).timestamp())


def client_payload(**changes: Any) -> dict[str, object]:
    own = {"sub": "orders", "client_id": "orders", "scope": "introspect admin"}
    shared = {name: value for name, value in payload().items() if name in {"iss", "aud", "iat", "nbf", "exp"}}
    return shared | {"jti": "an-id"} | own | changes


def test_a_token_without_a_session_belongs_to_a_service_client() -> None:
    token = parse_claims(client_payload(), POLICY, now=NOW)

    assert token == ClientToken("an-id", "orders", ("introspect", "admin"), NOW, EXPIRES)
    assert token.revocable_ids == ("an-id", "orders")


@pytest.mark.parametrize(
    "changes",
    [
        {"scope": None},
        {"scope": ["admin"]},
        {"scope": ""},
        {"scope": "admin "},
        {"scope": 'ad"min'},
        {"sub": "billing"},
        {"client_id": "browser", "sub": "browser"},
        {"client_id": 7, "sub": 7},
        {"client_id": "a b", "sub": "a b"},
        {"sid": None},
        {"jti": ""},
    ],
    ids=str,
)
def test_a_client_token_with_a_wrong_claim_is_refused(changes: dict[str, object]) -> None:
    assert parse_claims(client_payload(**changes), POLICY, now=NOW) is None


@pytest.mark.requirement("L1")
def test_a_revocation_lasts_until_no_verifier_accepts_an_older_token() -> None:
    assert POLICY.revocation_ttl == POLICY.lifetime + 2 * LEEWAY


@pytest.mark.requirement("T5")
@pytest.mark.parametrize("leeway", [0, 30, 60])
def test_expiry_is_exact_at_its_boundary(leeway: int) -> None:
    policy = TokenPolicy(POLICY.issuer, POLICY.audience, POLICY.lifetime, leeway * SECOND)
    end = EXPIRES + leeway * SECOND

    assert parse_claims(payload(), policy, now=end - SECOND) is not None
    assert parse_claims(payload(), policy, now=end - TICK) is not None
    assert parse_claims(payload(), policy, now=end) is None
    assert parse_claims(payload(), policy, now=end + SECOND) is None


@pytest.mark.requirement("T5")
@pytest.mark.parametrize("leeway", [0, 30, 60])
def test_not_before_is_exact_at_its_boundary(leeway: int) -> None:
    policy = TokenPolicy(POLICY.issuer, POLICY.audience, POLICY.lifetime, leeway * SECOND)
    start = NOW + 100 * SECOND
    waiting = payload(nbf=int(start.timestamp()))

    assert parse_claims(waiting, policy, now=start - leeway * SECOND) is not None
    assert parse_claims(waiting, policy, now=start - leeway * SECOND - TICK) is None


@pytest.mark.requirement("T5")
def test_a_token_issued_in_the_future_is_accepted_within_the_leeway_only() -> None:
    early = payload(nbf=0)

    assert parse_claims(early, POLICY, now=NOW - LEEWAY) is not None
    assert parse_claims(early, POLICY, now=NOW - LEEWAY - TICK) is None


@pytest.mark.requirement("T5")
def test_a_token_that_lives_longer_than_the_lifetime_is_refused() -> None:
    end = int(EXPIRES.timestamp())

    assert parse_claims(payload(exp=end - 1), POLICY, now=NOW) is not None
    assert parse_claims(payload(exp=end + 1), POLICY, now=NOW) is None
    assert parse_claims(payload(exp=end + 1, iat=int(NOW.timestamp()) + 1), POLICY, now=NOW) is not None


@pytest.mark.requirement("T5")
@pytest.mark.parametrize("name", ["exp", "iat", "nbf", "auth_time"])
@pytest.mark.parametrize(
    "value",
    [
        "1782907200",
        1782907200.0,
        True,
        False,
        None,
        -1,
        253_402_300_800,
        10**30,
        2**63,
        float("nan"),
        float("inf"),
    ],
)
def test_a_time_must_be_an_integer_between_1970_and_the_year_10000(name: str, value: object) -> None:
    assert parse_claims(payload(**{name: value}), POLICY, now=NOW) is None


@pytest.mark.parametrize("moment", [0, 253_402_300_799])
def test_the_earliest_and_the_latest_time_are_accepted(moment: int) -> None:
    assert parse_claims(payload(auth_time=moment), POLICY, now=NOW) is not None


def test_a_token_of_an_account_without_roles_has_no_roles_claim() -> None:
    plain = claims(replace(grant(), roles=()), POLICY, "an-id", now=NOW)

    assert "roles" not in plain
    assert parse_claims(plain, POLICY, now=NOW) is not None


@pytest.mark.requirement("T3")
@pytest.mark.parametrize("name", sorted(payload().keys() - {"roles"}))
def test_every_claim_is_required(name: str) -> None:
    without = {key: value for key, value in payload().items() if key != name}

    assert parse_claims(without, POLICY, now=NOW) is None
    assert parse_claims(payload(**{name: None}), POLICY, now=NOW) is None
    assert parse_claims(payload(**{name: {}}), POLICY, now=NOW) is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("iss", "https://id.example.com/"),
        ("iss", "https://other.example.com"),
        ("iss", ["https://id.example.com"]),
        ("aud", "https://id.example.com"),
        ("aud", ["https://api.example.com"]),
        ("sub", "an-account"),
        ("sub", str(ACCOUNT).upper()),
        ("sub", ACCOUNT.hex),
        ("sub", ACCOUNT.urn),
        ("sub", f"{{{ACCOUNT}}}"),
        ("sub", f" {ACCOUNT}"),
        ("sub", 1),
        ("sid", "*"),
        ("sid", [str(SESSION)]),
        ("jti", ""),
        ("jti", 1),
        ("jti", ["an-id"]),
        ("jti", "\ud800"),
        ("client_id", "robot"),
        ("client_id", "BROWSER"),
        ("client_id", ["browser"]),
        ("roles", "editor"),
        ("roles", [1]),
        ("roles", ["editor", None]),
        ("amr", "pwd"),
        ("amr", [["pwd"]]),
    ],
)
def test_a_claim_with_a_wrong_value_or_type_is_refused(name: str, value: object) -> None:
    assert parse_claims(payload(**{name: value}), POLICY, now=NOW) is None


@pytest.mark.parametrize(
    ("name", "value"), [("roles", []), ("roles", ["a", "b"]), ("amr", ["otp"]), ("x", 1)]
)
def test_claims_that_are_not_checked_may_have_any_value(name: str, value: object) -> None:
    assert parse_claims(payload(**{name: value}), POLICY, now=NOW) is not None
