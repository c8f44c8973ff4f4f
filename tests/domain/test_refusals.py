from datetime import UTC, datetime
from typing import Any

import pytest

from app.domain.refusals import Refusal, Refused

FROZEN = [
    "invalid_credentials",
    "account_disabled",
    "refresh_token_missing",
    "refresh_token_invalid",
    "refresh_token_expired",
    "refresh_token_reused",
    "session_revoked",
    "invalid_token",
    "cross_site_request",
    "too_many_requests",
    "invalid_request",
    "overloaded",
    "unavailable",
    "account_unknown",
    "email_invalid",
    "email_taken",
    "role_invalid",
    "roles_too_long",
    "limits_not_shared",
    "key_unknown",
    "key_sealed",
    "keys_incomplete",
    "keys_changed",
    "standby_too_young",
    "client_unknown",
    "client_name_invalid",
    "client_name_taken",
    "client_keys_invalid",
    "scope_invalid",
    "scopes_too_long",
]


def test_the_public_codes_are_frozen() -> None:
    assert {refusal.value for refusal in Refusal} == set(FROZEN)


@pytest.mark.parametrize("refusal", list(Refusal))
def test_a_refusal_contains_only_its_code(refusal: Refusal) -> None:
    assert (str(Refused(refusal)), Refused(refusal).refusal, Refused(refusal).retry_after) == (
        refusal.value,
        refusal,
        None,
    )


def test_a_refusal_can_say_when_to_retry() -> None:
    assert Refused(Refusal.OVERLOADED, retry_after=7).retry_after == 7


def test_a_refusal_can_pass_through_a_context_manager() -> None:
    """contextlib assigns ``__traceback__``, which fails on a frozen dataclass."""
    refused = Refused(Refusal.UNAVAILABLE)

    assert refused.with_traceback(None) is refused


FACTS: dict[Refusal, dict[str, Any]] = {
    Refusal.ACCOUNT_UNKNOWN: {"email": "ada@example.com"},
    Refusal.EMAIL_INVALID: {"email": "ada"},
    Refusal.EMAIL_TAKEN: {"email": "ada@example.com"},
    Refusal.ROLE_INVALID: {"role": "Two Words"},
    Refusal.ROLES_TOO_LONG: {"size": 4097, "room": 4096},
    Refusal.KEY_UNKNOWN: {"kid": "a-kid"},
    Refusal.KEY_SEALED: {"kid": "a-kid"},
    Refusal.STANDBY_TOO_YOUNG: {"kid": "a-kid", "may_sign_from": datetime(2026, 7, 1, 12, tzinfo=UTC)},
    Refusal.CLIENT_UNKNOWN: {"name": "orders"},
    Refusal.CLIENT_NAME_INVALID: {"name": "Two Words"},
    Refusal.CLIENT_NAME_TAKEN: {"name": "orders"},
    Refusal.CLIENT_KEYS_INVALID: {"reason": "it is no JSON"},
    Refusal.SCOPE_INVALID: {"scope": "two words"},
    Refusal.SCOPES_TOO_LONG: {"size": 1025, "room": 1024},
}


@pytest.mark.parametrize("refusal", list(Refusal))
def test_a_refusal_has_a_sentence_with_its_facts(refusal: Refusal) -> None:
    facts = FACTS.get(refusal, {})
    sentence = Refused(refusal, **facts).sentence
    assert len(sentence.split()) > 2
    assert "{" not in sentence
    assert all(fact in sentence for fact in facts.values() if isinstance(fact, str))


def test_a_time_in_a_sentence_is_in_utc() -> None:
    refused = Refused(Refusal.STANDBY_TOO_YOUNG, **FACTS[Refusal.STANDBY_TOO_YOUNG])
    assert "2026-07-01T12:00:00Z" in refused.sentence
