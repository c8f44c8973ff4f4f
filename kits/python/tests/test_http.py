"""Where the token is looked for, and how a request is turned away."""

import pytest

from watchword_verifier import (
    Forbidden,
    InvalidToken,
    MalformedRequest,
    MissingToken,
    Reason,
    Rejected,
    StepUpRequired,
    Unavailable,
    bearer_token,
    refusal_of,
)
from watchword_verifier.demands import Demands, seconds_of


@pytest.mark.parametrize("value", ["Bearer a.b.c", "bearer a.b.c", "BEARER   a.b.c  "])
def test_the_token_is_in_the_authorization_header(value: str) -> None:
    assert bearer_token([value]) == "a.b.c"


@pytest.mark.parametrize("values", [[], ["Basic YTpi"], ["Bearerx a"], [""], ["DPoP a"]])
def test_a_request_without_a_bearer_token_has_none(values: list[str]) -> None:
    with pytest.raises(MissingToken):
        bearer_token(values)


@pytest.mark.parametrize(
    "values",
    [
        ["Bearer a", "Bearer a"],
        ["Bearer"],
        ["Bearer "],
        ["Bearer a b"],
        ["Bearer a,b"],
        ['Bearer "a"'],
        ["Bearer \u00e9"],
        ["Bearer a=b"],
    ],
)
def test_a_malformed_or_repeated_header_is_a_bad_request(values: list[str]) -> None:
    with pytest.raises(MalformedRequest):
        bearer_token(values)


@pytest.mark.parametrize(
    ("rejected", "status", "challenge"),
    [
        (MissingToken(), 401, "Bearer"),
        (
            MalformedRequest(),
            400,
            'Bearer error="invalid_request", error_description="The Authorization header is malformed."',
        ),
        (
            InvalidToken(Reason.REVOKED),
            401,
            (
                'Bearer error="invalid_token", '
                'error_description="The access token is expired, revoked or not valid."'
            ),
        ),
        (
            StepUpRequired(300),
            401,
            (
                'Bearer error="insufficient_user_authentication", '
                'error_description="A more recent sign-in is required.", max_age="300"'
            ),
        ),
        (
            Forbidden(),
            403,
            'Bearer error="insufficient_scope", error_description="The access token does not allow this."',
        ),
        (
            Forbidden(("orders:read", "orders:write")),
            403,
            (
                'Bearer error="insufficient_scope", '
                'error_description="The access token does not allow this.", '
                'scope="orders:read orders:write"'
            ),
        ),
    ],
)
def test_refusals_are_those_of_the_rfcs(rejected: Rejected, status: int, challenge: str) -> None:
    refusal = refusal_of(rejected)

    assert refusal.status == status
    assert refusal.headers == {"WWW-Authenticate": challenge, "Cache-Control": "no-store"}


@pytest.mark.parametrize(
    ("seconds", "header"), [(-5, "1"), (0.2, "1"), (12, "12"), (12.1, "13"), (900, "60")]
)
def test_what_cannot_be_known_is_no_refusal(seconds: float, header: str) -> None:
    refusal = refusal_of(Unavailable(seconds))

    assert refusal.status == 503
    assert refusal.headers == {"Retry-After": header, "Cache-Control": "no-store"}


def test_a_rejection_of_another_making_has_no_answer() -> None:
    with pytest.raises(TypeError):
        refusal_of(Rejected())


@pytest.mark.parametrize(
    ("age", "seconds"), [("30s", 30), ("5m", 300), ("2h", 7200), ("1d", 86_400), (45, 45)]
)
def test_an_age_is_written_in_seconds_minutes_hours_or_days(age: str | int, seconds: int) -> None:
    assert seconds_of(age) == seconds


@pytest.mark.parametrize("age", ["", "5", "5 m", "-5m", "0s", "5M", "1.5h", 0, -1, "\u0665m"])
def test_an_age_that_is_not_understood_is_refused_at_once(age: str | int) -> None:
    with pytest.raises(ValueError, match="is no age"):
        Demands().adding(fresh=age)
