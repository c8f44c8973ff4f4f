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
]


def test_the_public_codes_are_those_that_clients_already_know() -> None:
    assert {refusal.value for refusal in Refusal} == set(FROZEN)


@pytest.mark.parametrize("refusal", list(Refusal))
def test_a_refusal_carries_its_code_and_no_more(refusal: Refusal) -> None:
    assert (str(Refused(refusal)), Refused(refusal).refusal, Refused(refusal).retry_after) == (
        refusal.value,
        refusal,
        None,
    )


def test_a_refusal_says_when_to_come_back() -> None:
    assert Refused(Refusal.OVERLOADED, retry_after=7).retry_after == 7


def test_a_refusal_can_pass_through_a_context_manager() -> None:
    """contextlib assigns ``__traceback__``, which a frozen class would refuse."""
    refused = Refused(Refusal.UNAVAILABLE)

    assert refused.with_traceback(None) is refused
