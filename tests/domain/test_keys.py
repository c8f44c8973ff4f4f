"""The life of signing keys, step by step; that no path leads astray is in ``test_key_life_paths.py``."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from app.domain.keys import (
    Algorithm,
    KeyChange,
    KeyKind,
    KeyPolicy,
    KeyState,
    SealedKey,
    SigningKey,
    due,
    in_state,
    may_sign_from,
    next_step,
    retirement,
    rotation,
)

NOW = datetime(2026, 7, 1, 12, tzinfo=UTC)
TICK, MINUTE, HOUR, DAY = (
    timedelta(microseconds=1),
    timedelta(minutes=1),
    timedelta(hours=1),
    timedelta(days=1),
)
STANDBY, SIGNING, VERIFYING = KeyState.STANDBY, KeyState.SIGNING, KeyState.VERIFYING
POLICY = KeyPolicy(KeyKind(Algorithm.EDDSA), interval=30 * DAY, verifying=35 * MINUTE)
FOR_EVER = replace(POLICY, interval=None)
ES256 = replace(POLICY, kind=KeyKind(Algorithm.ES256))
NOTHING = KeyChange(frozenset(), None, ())


def key(
    kid: str,
    created: timedelta,
    activated: timedelta | None = None,
    superseded: timedelta | None = None,
    *,
    algorithm: Algorithm = Algorithm.EDDSA,
) -> SigningKey:
    """A key whose moments were so long ago."""
    moments = [None if ago is None else NOW - ago for ago in (activated, superseded)]
    return SigningKey(kid, algorithm, {}, b"SEALED", NOW - created, *moments)


OLD = key("old", 65 * DAY, 35 * DAY, 5 * DAY)
SIGNS = key("signs", 35 * DAY, 5 * DAY)
STANDS_BY = key("stands by", 5 * DAY)


def test_two_moments_tell_the_state() -> None:
    assert [each.state for each in (STANDS_BY, SIGNS, OLD)] == [STANDBY, SIGNING, VERIFYING]
    assert [in_state((OLD, SIGNS, STANDS_BY), state) for state in KeyState] == [STANDS_BY, SIGNS, OLD]
    assert in_state((OLD, SIGNS), STANDBY) is None


@pytest.mark.parametrize("bits", [2048, 3072, 4096])
def test_the_modulus_tells_how_long_an_rsa_key_is(bits: int) -> None:
    modulus = "A" * -(-bits // 6)
    assert SealedKey("kid", Algorithm.RS256, {"n": modulus}, b"").kind == KeyKind(Algorithm.RS256, bits)


def test_other_keys_have_no_length() -> None:
    assert SealedKey("kid", Algorithm.ES256, {"x": "AAAA"}, b"").kind == KeyKind(Algorithm.ES256, None)


def test_the_sealed_key_is_not_in_the_repr() -> None:
    assert "SEALED" not in repr(SIGNS)


def test_only_asymmetric_algorithms_are_on_offer() -> None:
    assert [algorithm.value for algorithm in Algorithm] == ["RS256", "ES256", "EdDSA"]


def test_an_empty_database_gets_a_signing_key_and_a_standby() -> None:
    assert due([], POLICY, now=NOW) == KeyChange(frozenset(), None, (SIGNING, STANDBY))


def test_a_missing_standby_is_made() -> None:
    assert due([SIGNS], POLICY, now=NOW) == KeyChange(frozenset(), None, (STANDBY,))


def test_a_standby_without_a_signing_key_signs_at_once() -> None:
    young = key("young", TICK)
    assert due([young], POLICY, now=NOW) == KeyChange(frozenset(), "young", (STANDBY,))


def test_while_nothing_is_due_nothing_changes() -> None:
    change = due([SIGNS, STANDS_BY], POLICY, now=NOW)
    assert change == NOTHING
    assert not change


@pytest.mark.parametrize(("ago", "is_due"), [(30 * DAY - TICK, False), (30 * DAY, True), (31 * DAY, True)])
def test_after_the_interval_the_standby_signs_and_another_one_stands_by(ago: timedelta, is_due: bool) -> None:
    keys = [key("signs", 60 * DAY, ago), STANDS_BY]
    change = due(keys, POLICY, now=NOW)
    assert change == (KeyChange(frozenset(), "stands by", (STANDBY,)) if is_due else NOTHING)
    assert bool(change) is is_due


@pytest.mark.requirement("K2")
@pytest.mark.parametrize(("age", "is_due"), [(HOUR - TICK, False), (HOUR, True)])
def test_no_standby_signs_before_its_hour(age: timedelta, is_due: bool) -> None:
    keys = [key("signs", 60 * DAY, 40 * DAY), key("young", age)]
    assert due(keys, POLICY, now=NOW).activated == ("young" if is_due else None)
    assert may_sign_from(keys[1]) == NOW - age + HOUR


def test_without_an_interval_a_key_signs_for_ever() -> None:
    keys = [key("signs", 900 * DAY, 800 * DAY), STANDS_BY]
    assert not due(keys, FOR_EVER, now=NOW)
    assert [next_step(each, keys, FOR_EVER) for each in keys] == [None, None]


@pytest.mark.requirement("K2")
@pytest.mark.parametrize(("ago", "goes"), [(35 * MINUTE - TICK, False), (35 * MINUTE, True)])
def test_a_superseded_key_goes_when_no_token_of_it_can_live(ago: timedelta, goes: bool) -> None:
    keys = [key("old", 60 * DAY, 30 * DAY, ago), SIGNS, STANDS_BY]
    assert due(keys, POLICY, now=NOW).deleted == ({"old"} if goes else set())


def test_a_standby_of_another_kind_is_replaced_before_it_would_sign() -> None:
    assert due([SIGNS, STANDS_BY], ES256, now=NOW) == KeyChange(frozenset({"stands by"}), None, (STANDBY,))


@pytest.mark.parametrize(("age", "activated"), [(HOUR - TICK, None), (HOUR, "new")])
def test_the_standby_of_the_new_kind_signs_after_its_hour(age: timedelta, activated: str | None) -> None:
    keys = [SIGNS, key("new", age, algorithm=Algorithm.ES256)]
    assert due(keys, ES256, now=NOW).activated == activated


def test_another_length_of_an_rsa_key_is_another_kind() -> None:
    short = SealedKey("kid", Algorithm.RS256, {"n": "A" * 342}, b"").kind
    assert short == KeyKind(Algorithm.RS256, 2048)
    assert short != KeyKind(Algorithm.RS256, 4096)


def test_everything_that_is_due_is_one_change() -> None:
    keys = [key("old", 99 * DAY, 65 * DAY, 35 * DAY), key("signs", 65 * DAY, 35 * DAY), STANDS_BY]
    assert due(keys, POLICY, now=NOW) == KeyChange(frozenset({"old"}), "stands by", (STANDBY,))


def test_an_operator_s_rotation_lets_the_standby_sign() -> None:
    assert rotation([SIGNS, STANDS_BY], "stands by") == KeyChange(frozenset(), "stands by", (STANDBY,))


@pytest.mark.parametrize("kid", ["signs", "old", "unknown"])
def test_a_rotation_to_what_stands_by_no_more_changes_nothing(kid: str) -> None:
    assert not rotation([OLD, SIGNS, STANDS_BY], kid)


@pytest.mark.parametrize(
    ("kid", "change"),
    [
        ("old", KeyChange(frozenset({"old"}), None, ())),
        ("signs", KeyChange(frozenset({"signs"}), "stands by", (STANDBY,))),
        ("stands by", KeyChange(frozenset({"stands by"}), None, (STANDBY,))),
        ("unknown", NOTHING),
    ],
)
def test_a_retired_key_goes_and_leaves_no_place_empty(kid: str, change: KeyChange) -> None:
    assert retirement([OLD, SIGNS, STANDS_BY], kid) == change


def test_a_signing_key_retired_without_an_heir_leaves_both_places_to_new_keys() -> None:
    assert retirement([SIGNS], "signs") == KeyChange(frozenset({"signs"}), None, (SIGNING, STANDBY))


def test_each_key_knows_when_its_next_step_comes() -> None:
    keys = [OLD, SIGNS, STANDS_BY]
    changes_at = NOW + 25 * DAY
    assert [next_step(each, keys, POLICY) for each in keys] == [
        NOW - 5 * DAY + POLICY.verifying,
        changes_at,
        changes_at,
    ]
    assert due(keys, POLICY, now=changes_at - TICK).activated is None
    assert due(keys, POLICY, now=changes_at).activated == "stands by"


def test_a_young_standby_puts_the_next_step_off() -> None:
    keys = [key("signs", 60 * DAY, 40 * DAY), key("young", 10 * MINUTE)]
    assert [next_step(each, keys, POLICY) for each in keys] == [NOW + 50 * MINUTE] * 2


def test_without_a_standby_nobody_knows() -> None:
    assert next_step(SIGNS, [SIGNS], POLICY) is None
