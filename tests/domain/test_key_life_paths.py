"""The invariants of the signing keys hold after every sequence of steps.

A simulation runs through hours and months: time passes, replicas make the changes that are due, operators
rotate, retire and change the settings. Tokens are signed all the time. A verifier that fetched the key set up
to an hour ago must have the key of each token.
"""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import count

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app.domain.keys import (
    MINIMUM_STANDBY,
    Algorithm,
    KeyChange,
    KeyKind,
    KeyPolicy,
    KeyState,
    SigningKey,
    due_change,
    in_state,
    may_sign_from,
    next_step,
    retirement,
    rotation,
)

pytestmark = pytest.mark.requirement("K2")

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
TOKEN_LIVES = timedelta(minutes=15, seconds=30)
"""Lifetime and leeway."""
POLICY = KeyPolicy(KeyKind(Algorithm.EDDSA), interval=30 * DAY, verifying=timedelta(minutes=35, seconds=30))
KINDS = [KeyKind(Algorithm.EDDSA), KeyKind(Algorithm.ES256), KeyKind(Algorithm.RS256, 2048)]


@dataclass
class World:
    now: datetime = datetime(2026, 1, 1, tzinfo=UTC)
    policy: KeyPolicy = POLICY
    keys: list[SigningKey] = field(default_factory=list)
    published: list[tuple[datetime, set[str]]] = field(default_factory=list)
    signed: dict[str, datetime] = field(default_factory=dict)
    """When each key last signed a token."""
    forced: set[str] = field(default_factory=set)
    """Keys that an operator let sign before their hour had passed."""
    retired: set[str] = field(default_factory=set)
    numbers: "count[int]" = field(default_factory=count)

    def make(self, change: KeyChange) -> None:
        """Apply a change as the store does."""
        keys = [key for key in self.keys if key.kid not in change.deleted]
        if change.activated is not None:
            keys = [
                replace(key, superseded_at=self.now) if key.state is KeyState.SIGNING else key for key in keys
            ]
            keys = [
                replace(key, activated_at=self.now) if key.kid == change.activated else key for key in keys
            ]
        for state in change.vacant:
            keys.append(self._new(state))
        self.keys = keys

    def _new(self, state: KeyState) -> SigningKey:
        kind = self.policy.kind
        jwk = {} if kind.rsa_bits is None else {"n": "A" * -(-kind.rsa_bits // 6)}
        activated = self.now if state is KeyState.SIGNING else None
        return SigningKey(f"key {next(self.numbers)}", kind.algorithm, jwk, b"", self.now, activated)

    def of(self, state: KeyState) -> SigningKey:
        found = in_state(self.keys, state)
        assert found is not None
        return found

    def run_replica(self) -> None:
        """A replica makes the change that is due, signs a token, and serves the key set."""
        self.make(due_change(self.keys, self.policy, now=self.now))
        self.signed[self.of(KeyState.SIGNING).kid] = self.now
        self.published.append((self.now, {key.kid for key in self.keys}))
        self.check()

    def wait(self, minutes: int) -> None:
        self.now += timedelta(minutes=minutes)

    def rotate(self, *, at_once: bool) -> None:
        standby = self.of(KeyState.STANDBY)
        if self.now < may_sign_from(standby):
            if not at_once:
                return
            self.forced.add(standby.kid)
        self.make(rotation(self.keys, standby.kid))

    def retire(self, number: int) -> None:
        key = self.keys[number % len(self.keys)]
        if key.state is KeyState.SIGNING and self.now < may_sign_from(self.of(KeyState.STANDBY)):
            self.forced.add(self.of(KeyState.STANDBY).kid)
        self.retired.add(key.kid)
        self.make(retirement(self.keys, key.kid))

    def check(self) -> None:
        states = [key.state for key in self.keys]
        assert states.count(KeyState.SIGNING) == states.count(KeyState.STANDBY) == 1
        assert not due_change(self.keys, self.policy, now=self.now), (
            "a change makes another one due at the same time"
        )

        kids = {key.kid for key in self.keys}
        assert not kids & self.retired
        for kid, last in self.signed.items():
            if self.now < last + TOKEN_LIVES and kid not in self.retired:
                assert kid in kids, "a token lives longer than its key"

        signing = self.of(KeyState.SIGNING)
        assert signing.activated_at is not None
        first = signing.kid == "key 0"
        waited = signing.activated_at - signing.created_at
        assert first or signing.kid in self.forced or waited >= MINIMUM_STANDBY
        if not first and signing.kid not in self.forced:
            caches = [cache for at, cache in self.published if self.now - HOUR < at]
            assert all(signing.kid in cache for cache in caches), "a verifier has not seen this key"
        for key in self.keys:
            upcoming = next_step(key, self.keys, self.policy)
            assert upcoming is None or upcoming > self.now


STEPS = st.one_of(
    st.tuples(st.just("wait"), st.sampled_from([1, 14, 16, 34, 36, 59, 60, 61, 24 * 60, 31 * 24 * 60])),
    st.tuples(st.just("rotate"), st.booleans()),
    st.tuples(st.just("retire"), st.integers(0, 9)),
    st.tuples(st.just("kind"), st.sampled_from(KINDS)),
    st.tuples(st.just("interval"), st.sampled_from([None, HOUR, 30 * DAY])),
)


@given(st.lists(STEPS, max_size=60))
@example([("wait", 61), ("kind", KINDS[1]), ("wait", 60), ("wait", 36), ("kind", KINDS[0]), ("wait", 60)])
@example([("retire", 0), ("retire", 0), ("rotate", True), ("rotate", True), ("wait", 36), ("rotate", False)])
def test_on_every_path_one_key_signs_one_is_standby_and_no_token_loses_its_key(
    steps: list[tuple[str, object]],
) -> None:
    world = World()
    world.run_replica()
    for step, argument in steps:
        match step, argument:
            case "wait", int(minutes):
                world.wait(minutes)
            case "rotate", bool(at_once):
                world.rotate(at_once=at_once)
            case "retire", int(number):
                world.retire(number)
            case "kind", KeyKind() as kind:
                world.policy = replace(world.policy, kind=kind)
            case _, (None | timedelta()) as interval:
                world.policy = replace(world.policy, interval=interval)
            case _:
                raise AssertionError(step)
        world.run_replica()


def test_a_key_signs_for_its_interval_and_is_deleted_afterwards() -> None:
    """A hundred days of the default policy, with a check every two hours and no operator."""
    world = World()
    signing = []
    for _ in range(100 * 12):
        world.run_replica()
        signing.append(world.of(KeyState.SIGNING).kid)
        world.wait(120)
    lives = [signing.count(kid) / 12 for kid in dict.fromkeys(signing)]
    assert len(lives) == 4
    assert set(lives[:-1]) == {30}
    assert len(world.keys) <= 3
