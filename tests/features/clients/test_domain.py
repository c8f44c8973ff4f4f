"""What a service client may be called and ask for, its claims, and which assertions hold."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from app.domain.access_tokens import ClientToken, TokenPolicy, canonical_uuid, parse_claims
from app.domain.events import Actor, EventKind
from app.domain.visitors import Visitor
from app.features.clients.domain import (
    Assertion,
    Client,
    ClientSecret,
    OAuthErrorCode,
    OAuthRefused,
    by_client,
    claimed_client,
    claims,
    failed,
    granted_scopes,
    is_name,
    is_scope,
    parse_assertion,
    size_of,
)

NOW = datetime(2026, 7, 1, 12, 0, 0, tzinfo=UTC)
NOON, SECOND, TICK = int(NOW.timestamp()), timedelta(seconds=1), timedelta(microseconds=1)
LEEWAY = 30
POLICY = TokenPolicy(
    "https://id.example.com", "https://api.example.com", timedelta(minutes=15), LEEWAY * SECOND
)
ID = UUID("0b8f5a1e-3f4e-4d3c-9a51-6b0c8a3f2d10")
CLIENT = Client(ID, "orders", ("a", "b"), (), (), NOW, "a-kid")


def assertion(**changes: Any) -> dict[str, Any]:
    own = {"iss": str(ID), "sub": str(ID), "aud": POLICY.issuer, "exp": NOON + 60, "jti": "an-id"}
    return {name: value for name, value in (own | changes).items() if value is not ...}


def test_the_claims_of_a_client_are_those_of_rfc_9068_without_a_session() -> None:
    payload = claims(CLIENT, ("a", "b"), POLICY, "an-id", now=NOW + 700 * TICK)
    assert payload == {
        "iss": POLICY.issuer,
        "aud": POLICY.audience,
        "sub": str(ID),
        "client_id": str(ID),
        "iat": NOON,
        "nbf": NOON - LEEWAY,
        "exp": NOON + 900,
        "jti": "an-id",
        "scope": "a b",
    }
    assert parse_claims(payload, POLICY, now=NOW) == ClientToken(
        "an-id", str(ID), ("a", "b"), NOW, NOW + POLICY.lifetime
    )


@pytest.mark.parametrize(
    ("requested", "granted"), [(None, ("a", "b")), ("a", ("a",)), ("b a", ("a", "b")), ("a a", ("a",))]
)
def test_scopes_are_granted_as_far_as_the_client_has_them(
    requested: str | None, granted: tuple[str, ...]
) -> None:
    assert granted_scopes(CLIENT, requested) == granted


@pytest.mark.parametrize("requested", ["c", "a c", "", " ", "a ", "A"])
def test_other_scopes_are_refused(requested: str) -> None:
    with pytest.raises(OAuthRefused) as refused:
        granted_scopes(CLIENT, requested)
    assert refused.value.fault is OAuthErrorCode.INVALID_SCOPE


def test_a_client_without_scopes_is_granted_none() -> None:
    with pytest.raises(OAuthRefused, match="invalid_scope"):
        granted_scopes(replace(CLIENT, scopes=()), None)


@pytest.mark.parametrize("text", ["a", "orders", "orders-2", "a.b_c-d", "a" * 64])
def test_a_name_is_short_and_plain(text: str) -> None:
    assert is_name(text)


@pytest.mark.parametrize("text", ["", "A", "2a", "-a", "a b", "a\n", "é", "a/b", "a" * 65])
def test_other_texts_are_no_name(text: str) -> None:
    assert not is_name(text)


@pytest.mark.parametrize("text", ["a", "introspect", "orders:read", "https://api.example.com/x", "2", "A.B"])
def test_a_scope_may_be_granted(text: str) -> None:
    assert is_scope(text)


@pytest.mark.parametrize("text", ["", "a b", 'a"b', "a\\b", ":a", "a\n", "é", "a" * 65])
def test_other_texts_are_no_scope(text: str) -> None:
    assert not is_scope(text)


def test_the_size_of_scopes_is_that_of_the_claim() -> None:
    assert size_of(["ab", "c"]) == len("ab c")


def test_an_id_has_one_spelling() -> None:
    assert canonical_uuid(str(ID)) == ID
    for text in (str(ID).upper(), ID.hex, f"{{{ID}}}", "", "browser", "orders", "\x00", "é" * 36):
        assert canonical_uuid(text) is None


def test_an_assertion_holds_with_its_five_claims() -> None:
    expected = Assertion(ID, "an-id", NOW + 60 * SECOND)
    assert parse_assertion(assertion(), POLICY, now=NOW) == expected
    assert parse_assertion(assertion(iat=NOON, nbf=NOON, more=1), POLICY, now=NOW) == expected


WRONG: list[object] = [..., None, 1, True, [], {}, "", "other"]


@pytest.mark.parametrize(
    "changes",
    [
        {name: value}
        for name in ("iss", "sub", "aud", "exp", "jti")
        for value in WRONG
        if (name, value) != ("jti", "other")
    ]
    + [
        {"aud": ["https://id.example.com"]},
        {"aud": "https://id.example.com/"},
        {"aud": "https://id.example.com/token"},
        {"aud": "https://api.example.com"},
        {"iss": str(ID).upper(), "sub": str(ID).upper()},
        {"iss": "orders", "sub": "orders"},
        {"jti": "x" * 257},
        {"jti": "é"},
        {"jti": "\ud800"},
        {"exp": float(NOON + 60)},
        {"exp": str(NOON + 60)},
        {"exp": float("nan")},
        {"exp": -1},
        {"exp": 2**63},
        {"iat": None},
        {"iat": "now"},
        {"nbf": True},
    ],
    ids=str,
)
def test_an_assertion_with_a_wrong_claim_does_not_hold(changes: dict[str, Any]) -> None:
    assert parse_assertion(assertion(**changes), POLICY, now=NOW) is None


def test_an_assertion_expires_with_the_leeway_exactly() -> None:
    end = NOW + (60 + LEEWAY) * SECOND
    assert parse_assertion(assertion(), POLICY, now=end - TICK) is not None
    assert parse_assertion(assertion(), POLICY, now=end) is None


def test_an_assertion_lives_five_minutes_at_most() -> None:
    assert parse_assertion(assertion(exp=NOON + 300 + LEEWAY), POLICY, now=NOW) is not None
    assert parse_assertion(assertion(exp=NOON + 301 + LEEWAY), POLICY, now=NOW) is None


@pytest.mark.parametrize("name", ["iat", "nbf"])
def test_an_assertion_of_the_future_does_not_hold_beyond_the_leeway(name: str) -> None:
    assert parse_assertion(assertion(**{name: NOON + LEEWAY}), POLICY, now=NOW) is not None
    assert parse_assertion(assertion(**{name: NOON + LEEWAY + 1}), POLICY, now=NOW) is None


def test_an_assertion_claims_one_client() -> None:
    assert claimed_client(assertion()) == ID
    for payload in (None, {}, {"iss": str(ID)}, {"sub": str(ID)}, {"iss": 1, "sub": 1}):
        assert claimed_client(payload) is None


def test_events_say_who_proved_what() -> None:
    visitor = Visitor("192.0.2.1", "agent", "request-1")
    event = failed(visitor, EventKind.CLIENT_FAILED, ID)
    assert (event.actor, event.details, event.address) == (
        *(Actor.VISITOR, {"client_id": str(ID)}),
        "192.0.2.1",
    )
    assert failed(visitor, EventKind.CLIENT_FAILED, None).details == {}
    proved = by_client(visitor, EventKind.TOKEN_REVOKED, str(ID))
    assert (proved.actor, proved.actor_id, proved.request_id) == (Actor.CLIENT, str(ID), "request-1")


def test_no_repr_shows_what_is_stored_of_a_secret() -> None:
    assert "digest" not in repr(ClientSecret(b"digest", NOW, None))
