from datetime import UTC, datetime, timedelta

import pytest

from app.domain.keys import Algorithm, KeyState, SealedKey, vacancies

NOW = datetime(2026, 7, 1, 12, tzinfo=UTC)
STANDBY, SIGNING, VERIFYING = KeyState.STANDBY, KeyState.SIGNING, KeyState.VERIFYING


def key(state: KeyState) -> SealedKey:
    moments = {STANDBY: (None, None), SIGNING: (NOW, None), VERIFYING: (NOW, NOW + timedelta(days=30))}
    return SealedKey("kid", Algorithm.RS256, {}, b"SEALED", NOW, *moments[state])


@pytest.mark.parametrize("state", list(KeyState))
def test_two_moments_tell_the_state(state: KeyState) -> None:
    assert key(state).state is state


@pytest.mark.parametrize(
    ("present", "vacant"),
    [
        ([], (SIGNING, STANDBY)),
        ([VERIFYING], (SIGNING, STANDBY)),
        ([VERIFYING, VERIFYING], (SIGNING, STANDBY)),
        ([STANDBY], (SIGNING,)),
        ([SIGNING], (STANDBY,)),
        ([VERIFYING, SIGNING], (STANDBY,)),
        ([STANDBY, SIGNING], ()),
        ([SIGNING, STANDBY, VERIFYING], ()),
    ],
)
def test_a_key_set_lacks_a_signing_key_and_then_a_standby(
    present: list[KeyState], vacant: tuple[KeyState, ...]
) -> None:
    assert vacancies(key(state) for state in present) == vacant


def test_only_asymmetric_algorithms_are_on_offer() -> None:
    assert [algorithm.value for algorithm in Algorithm] == ["RS256", "ES256", "EdDSA"]


def test_the_sealed_key_is_not_in_the_repr() -> None:
    assert "SEALED" not in repr(key(SIGNING))
