"""The states of signing keys, change by change; ``test_key_life_paths.py`` tests sequences of changes."""

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
    due_change,
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
    """A key that was created, activated and superseded this long ago."""
    moments = [None if ago is None else NOW - ago for ago in (activated, superseded)]
    return SigningKey(kid, algorithm, {}, b"SEALED", NOW - created, *moments)


OLD = key("old", 65 * DAY, 35 * DAY, 5 * DAY)
SIGNS = key("signs", 35 * DAY, 5 * DAY)
STANDS_BY = key("stands by", 5 * DAY)


def test_the_state_of_a_key_follows_from_its_times() -> None:
    assert [each.state for each in (STANDS_BY, SIGNS, OLD)] == [STANDBY, SIGNING, VERIFYING]
    assert [in_state((OLD, SIGNS, STANDS_BY), state) for state in KeyState] == [STANDS_BY, SIGNS, OLD]
    assert in_state((OLD, SIGNS), STANDBY) is None


@pytest.mark.parametrize("bits", [2048, 3072, 4096])
def test_the_length_of_an_rsa_key_follows_from_its_modulus(bits: int) -> None:
    modulus = "A" * -(-bits // 6)
    assert SealedKey("kid", Algorithm.RS256, {"n": modulus}, b"").kind == KeyKind(Algorithm.RS256, bits)


def test_other_keys_have_no_length() -> None:
    assert SealedKey("kid", Algorithm.ES256, {"x": "AAAA"}, b"").kind == KeyKind(Algorithm.ES256, None)


def test_the_sealed_key_is_not_in_the_repr() -> None:
    assert "SEALED" not in repr(SIGNS)


def test_only_asymmetric_algorithms_are_supported() -> None:
    assert [algorithm.value for algorithm in Algorithm] == ["RS256", "ES256", "EdDSA"]


def test_without_keys_a_signing_key_and_a_standby_are_made() -> None:
    assert due_change([], POLICY, now=NOW) == KeyChange(frozenset(), None, (SIGNING, STANDBY))


def test_a_missing_standby_is_made() -> None:
    assert due_change([SIGNS], POLICY, now=NOW) == KeyChange(frozenset(), None, (STANDBY,))


def test_a_standby_without_a_signing_key_signs_at_once() -> None:
    young = key("young", TICK)
    assert due_change([young], POLICY, now=NOW) == KeyChange(frozenset(), "young", (STANDBY,))


def test_a_change_is_empty_while_nothing_is_due() -> None:
    change = due_change([SIGNS, STANDS_BY], POLICY, now=NOW)
    assert change == NOTHING
    assert not change


@pytest.mark.parametrize(("ago", "is_due"), [(30 * DAY - TICK, False), (30 * DAY, True), (31 * DAY, True)])
def test_after_the_interval_the_standby_signs_and_a_new_standby_is_made(ago: timedelta, is_due: bool) -> None:
    keys = [key("signs", 60 * DAY, ago), STANDS_BY]
    change = due_change(keys, POLICY, now=NOW)
    assert change == (KeyChange(frozenset(), "stands by", (STANDBY,)) if is_due else NOTHING)
    assert bool(change) is is_due


@pytest.mark.requirement("K2")
@pytest.mark.parametrize(("age", "is_due"), [(HOUR - TICK, False), (HOUR, True)])
def test_a_standby_does_not_sign_before_its_hour_has_passed(age: timedelta, is_due: bool) -> None:
    keys = [key("signs", 60 * DAY, 40 * DAY), key("young", age)]
    assert due_change(keys, POLICY, now=NOW).activated == ("young" if is_due else None)
    assert may_sign_from(keys[1]) == NOW - age + HOUR


def test_without_an_interval_a_key_signs_until_an_operator_rotates() -> None:
    keys = [key("signs", 900 * DAY, 800 * DAY), STANDS_BY]
    assert not due_change(keys, FOR_EVER, now=NOW)
    assert [next_step(each, keys, FOR_EVER) for each in keys] == [None, None]


@pytest.mark.requirement("K2")
@pytest.mark.parametrize(("ago", "goes"), [(35 * MINUTE - TICK, False), (35 * MINUTE, True)])
def test_a_superseded_key_is_deleted_when_all_of_its_tokens_have_expired(ago: timedelta, goes: bool) -> None:
    keys = [key("old", 60 * DAY, 30 * DAY, ago), SIGNS, STANDS_BY]
    assert due_change(keys, POLICY, now=NOW).deleted == ({"old"} if goes else set())


def test_a_standby_of_another_kind_is_replaced_before_it_would_sign() -> None:
    assert due_change([SIGNS, STANDS_BY], ES256, now=NOW) == KeyChange(
        frozenset({"stands by"}), None, (STANDBY,)
    )


@pytest.mark.parametrize(("age", "activated"), [(HOUR - TICK, None), (HOUR, "new")])
def test_the_standby_of_the_new_kind_signs_after_its_hour(age: timedelta, activated: str | None) -> None:
    keys = [SIGNS, key("new", age, algorithm=Algorithm.ES256)]
    assert due_change(keys, ES256, now=NOW).activated == activated


def test_another_length_of_an_rsa_key_is_another_kind() -> None:
    short = SealedKey("kid", Algorithm.RS256, {"n": "A" * 342}, b"").kind
    assert short == KeyKind(Algorithm.RS256, 2048)
    assert short != KeyKind(Algorithm.RS256, 4096)


def test_everything_that_is_due_happens_in_one_change() -> None:
    keys = [key("old", 99 * DAY, 65 * DAY, 35 * DAY), key("signs", 65 * DAY, 35 * DAY), STANDS_BY]
    assert due_change(keys, POLICY, now=NOW) == KeyChange(frozenset({"old"}), "stands by", (STANDBY,))


def test_an_operator_s_rotation_lets_the_standby_sign() -> None:
    assert rotation([SIGNS, STANDS_BY], "stands by") == KeyChange(frozenset(), "stands by", (STANDBY,))


@pytest.mark.parametrize("kid", ["signs", "old", "unknown"])
def test_a_rotation_to_a_key_that_is_not_the_standby_changes_nothing(kid: str) -> None:
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
def test_a_retired_key_is_deleted_and_replaced(kid: str, change: KeyChange) -> None:
    assert retirement([OLD, SIGNS, STANDS_BY], kid) == change


def test_retiring_a_signing_key_without_a_standby_makes_both_keys_anew() -> None:
    assert retirement([SIGNS], "signs") == KeyChange(frozenset({"signs"}), None, (SIGNING, STANDBY))


def test_the_next_change_of_each_key_is_predicted() -> None:
    keys = [OLD, SIGNS, STANDS_BY]
    changes_at = NOW + 25 * DAY
    assert [next_step(each, keys, POLICY) for each in keys] == [
        NOW - 5 * DAY + POLICY.verifying,
        changes_at,
        changes_at,
    ]
    assert due_change(keys, POLICY, now=changes_at - TICK).activated is None
    assert due_change(keys, POLICY, now=changes_at).activated == "stands by"


def test_a_young_standby_delays_the_next_change() -> None:
    keys = [key("signs", 60 * DAY, 40 * DAY), key("young", 10 * MINUTE)]
    assert [next_step(each, keys, POLICY) for each in keys] == [NOW + 50 * MINUTE] * 2


def test_without_a_standby_the_next_change_is_unknown() -> None:
    assert next_step(SIGNS, [SIGNS], POLICY) is None
