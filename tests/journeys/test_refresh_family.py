"""Families of refresh tokens do what their model says, whatever befalls them in whatever order."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256
from typing import ClassVar
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tests.support.families import (
    DAY,
    GRACE,
    KINDS,
    LIMITS,
    TOKENS,
    VERDICTS,
    Family,
    World,
    codes,
    rotate_as_before,
)
from tests.support.people import login, new_person
from tests.support.servers import Service

pytestmark = pytest.mark.requirement("R1", "R2", "R3", "R4")

which = st.sampled_from([0, 0, 0, 1, 1, 2, 3])  # The living sessions come first.
back = st.integers(1, 6)
times = st.integers(1, 5)
wait = st.sampled_from([0, 0, 20, 40, GRACE])
WAITS = [GRACE, GRACE, DAY, 20, 0]
kinds = st.sampled_from(KINDS)
OTHER_KIND = dict(zip(KINDS, reversed(KINDS), strict=True))
# The client's key for a refresh. Some clients have none, and some take one key again and again.
keys = st.sampled_from([None, "the-same-every-time", "new", "new"])
# What comes with a token that comes again: the key that rotated it, another one, or none.
again = st.sampled_from(["the same", "the same", "another-than-before", None])


class Families(RuleBasedStateMachine):
    """One account, its sessions, and everything that can befall their refresh tokens."""

    world: ClassVar[World]
    seen: ClassVar[Counter[str]] = Counter()

    def __init__(self) -> None:
        super().__init__()
        self.now = 0
        self.families: list[Family] = []

    @initialize(kind=kinds)
    def begin(self, kind: str) -> None:
        self.person = self.world.run(new_person(self.world.sql))
        self.sign_in(kind)

    @precondition(lambda self: len(self._usable()) < 2)
    @rule(kind=kinds)
    def sign_in(self, kind: str) -> None:
        answer = self.world.run(login(self.world.client, self.person, kind=kind))
        family = Family.opened(answer, kind, self.now)
        self.families.append(family)
        self._back_up(family)

    @rule(
        n=which,
        often=st.integers(1, 5),
        times=times,
        wait=wait,
        astray=st.booleans(),
        late=st.booleans(),
        key=keys,
    )
    def refresh(
        self, n: int, often: int, times: int, wait: int, astray: bool, late: bool, key: str | None
    ) -> None:
        family = self._family(n)
        first = family.current
        if astray:
            self._present(family, first, times, kind=OTHER_KIND[family.kind])
        for _ in range(often):
            verdict = self._present(family, family.current, times, key=self._key(key))
            self._pass(wait)
            if verdict != "rotated":
                return
        if late:
            self._present(family, first, times, key=self._key(key))

    @rule(n=which, often=st.integers(1, 3), times=times, key=keys, again=again, wait=st.sampled_from(WAITS))
    def lose_the_answer_and_retry(
        self, n: int, often: int, times: int, key: str | None, again: str | None, wait: int
    ) -> None:
        """The owner, who has the key, or a thief of the token, who has not."""
        family = self._family(n)
        for _ in range(often):
            generation = family.current
            self._present(family, generation, lost=True, key=self._key(key))
            self._pass(wait)
            verdict = self._present(family, generation, times, key=self._again(family, generation, again))
            if not verdict.startswith("retried"):
                return

    @rule(n=which, back=back, times=times, again=again, astray=st.booleans())
    def replay(self, n: int, back: int, times: int, again: str | None, astray: bool) -> None:
        """An ancestor, or a token ahead of a row that was set back; perhaps in the other kind's way."""
        family = self._family(n)
        generation = max(0, len(family.tokens) - 1 - back)
        kind = OTHER_KIND[family.kind] if astray else family.kind
        self._present(family, generation, times, kind=kind, key=self._again(family, generation, again))

    @rule(n=which, often=st.integers(1, 2), wait=wait, again=again)
    def rotate_by_the_release_before(self, n: int, often: int, wait: int, again: str | None) -> None:
        """An upgrade is under way; then the token comes once more, to a replica of this release."""
        family = self._family(n)
        for _ in range(often):
            generation = family.row.generation
            if not family.usable(self.now) or generation == len(family.tokens):
                return
            successor = self.world.run(rotate_as_before(self.world.sql, family.tokens[generation]))
            family.row = family.row.rotated(generation, self.now, family.row.rotated_by)
            family.take(successor)
            self._back_up(family)
            self._pass(wait)
        parent = family.row.generation - 1
        self._present(family, parent, key=self._again(family, parent, again))

    @rule(n=which, generation=st.integers(0, 9), how=st.sampled_from(["mac", "seed"]))
    def present_what_does_not_count(self, n: int, generation: int, how: str) -> None:
        """A flipped mac; a right mac over a seed of one's own."""
        family = self._family(n)
        text = family.tokens[family.current]
        genuine = TOKENS.read(text)
        assert genuine is not None
        if how == "mac":
            text = text[:-1] + ("A" if text[-1] != "A" else "B")
        else:
            text = TOKENS.at(replace(genuine, seed=bytes(16)), generation).text
        before = self.world.records(self.person)
        assert codes(self.world.refresh(text, family.kind)) == ["refresh_token_invalid"]
        self.world.log_out(text, family.kind)
        assert self.world.records(self.person) == before

    @precondition(lambda self: self._usable() and self._usable()[0].row.generation > 3)
    @rule(n=which, back=back)
    def log_out(self, n: int, back: int) -> None:
        family = self._family(n)
        self.world.log_out(family.tokens[max(0, len(family.tokens) - 1 - back)], family.kind)
        family.revoked = True

    @precondition(lambda self: self._usable() and self._usable()[0].row.generation > 3)
    @rule()
    def disable_and_enable(self) -> None:
        operator, email = self.world.operator, self.person.email
        alive = [family for family in self.families if not family.revoked]
        assert self.world.run(operator.disable(email)) == len(alive)
        refused = self.world.run(login(self.world.client, self.person))
        assert refused.json()["code"] == "account_disabled"
        self.world.run(operator.enable(email))
        for family in alive:
            family.revoked = True

    @rule(
        n=which,
        back=back,
        wait=wait,
        ahead=st.sampled_from([0, 1, 1, 2, 4]),
        behind=st.integers(0, 4),
        times=times,
    )
    def fail_over(self, n: int, back: int, wait: int, ahead: int, behind: int, times: int) -> None:
        """The row is what it was some rotations ago; then come tokens that it has not heard of."""
        family = self._family(n)
        family.row, record, taken = family.backups[max(0, len(family.backups) - 1 - back)]
        self.world.set_back(record, self.now - taken)
        self._pass(wait)
        if ahead:
            known = min(family.row.generation + ahead, len(family.tokens) - 1)
            self._present(family, known, times)
            self._present(family, max(0, known - behind), times)

    @rule(days=st.integers(1, 2))
    def pass_days(self, days: int) -> None:
        self._pass(days * DAY)

    @precondition(lambda self: self._usable())
    @rule(n=which, wait=wait)
    def come_to_the_end(self, n: int, wait: int) -> None:
        """A session in use comes to its last seconds, and beyond them when somebody waits."""
        family = self._family(n)
        while family.usable(self.now) and family.ends - self.now > DAY:
            self._pass(DAY - 20)
            self._present(family, family.current)
        self._pass(max(0, family.ends - self.now - 20))
        self._present(family, family.current)
        self._pass(wait)
        self._present(family, family.current)

    @invariant()
    def the_rows_are_as_the_model_believes(self) -> None:
        records = self.world.records(self.person)
        assert records.keys() == {family.id for family in self.families}
        for family in self.families:
            record = records[family.id]
            assert record["generation"] == family.row.generation
            assert (record["revoked_at"] is not None) == family.revoked
            kept = record["refresh_token_hash"]
            current = [n for n, token in enumerate(family.tokens) if sha256(token.encode()).digest() == kept]
            assert current == [family.row.generation][: len(family.tokens) - family.row.generation]
            assert record["rotated_by"] == family.mark()
            assert not [secret for secret in family.secrets() if secret in record["text"]]

    @invariant()
    def an_access_token_is_accepted_while_its_session_lives(self) -> None:
        tokens = {token: family for family in self.families[-3:] for token in family.access}
        for family, answer in zip(tokens.values(), self.world.me(tokens), strict=True):
            assert answer.status_code == (401 if family.revoked else 200)

    def _usable(self) -> list[Family]:
        return [family for family in self.families if family.usable(self.now)]

    def _family(self, n: int) -> Family:
        if not self._usable():
            self.sign_in(KINDS[len(self.families) % 2])
        ordered = sorted(self.families, key=lambda family: not family.usable(self.now))
        return ordered[min(n, len(ordered) - 1)]

    def _key(self, key: str | None) -> str | None:
        return uuid4().hex if key == "new" else key

    def _again(self, family: Family, generation: int, again: str | None) -> str | None:
        return family.keys.get(generation) if again == "the same" else again

    def _judged(self, family: Family, generation: int, kind: str, key: str | None) -> str:
        verdict = family.judged(generation, kind, self.now, key)
        ahead = verdict == "rotated" and generation > family.row.generation
        self.seen["ahead" if ahead else verdict] += 1
        return verdict

    def _present(
        self,
        family: Family,
        generation: int,
        times: int = 1,
        *,
        lost: bool = False,
        kind: str = "",
        key: str | None = None,
    ) -> str:
        """Present a token over as many connections at once, and hold every answer against the model."""
        kind = kind or family.kind
        verdict = self._judged(family, generation, kind, key)
        before = self.world.records(self.person)
        answers = self.world.refresh(family.tokens[generation], kind, times, key)
        if verdict == "refresh_token_reused":
            family.revoked = True
            assert codes(answers) == [verdict] + ["session_revoked"] * (times - 1)
        elif verdict == "rotated":
            family.row = family.row.rotated(generation, self.now, (generation, key))
            family.keys[generation] = key
            self._back_up(family)
        else:
            assert self.world.records(self.person) == before
        if verdict in {"rotated", "retried", "retried late"}:
            for answer in answers:
                family.issued(answer, lost=lost)
        elif verdict != "refresh_token_reused":
            assert codes(answers) == [verdict] * times
        return verdict

    def _pass(self, seconds: int) -> None:
        self.world.shift(self.person, seconds)
        self.now += seconds
        if seconds > GRACE:  # Access tokens carry their end within them, and no column moves it.
            for family in self.families:
                family.access.clear()

    def _back_up(self, family: Family) -> None:
        family.backups.append((family.row, self.world.records(self.person)[family.id], self.now))


@pytest.fixture(scope="module")
def world(
    migrated: object, environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[World]:
    with Service(environment | LIMITS, tmp_path_factory.mktemp("families")) as service:
        world = World(service)
        yield world
        world.close()


@pytest.mark.hypothesis
@pytest.mark.timeout(1_800)
def test_a_family_of_refresh_tokens_does_what_its_model_says(world: World) -> None:
    Families.world = world
    often = settings(
        max_examples=settings().max_examples // 4,
        stateful_step_count=30,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(Families, settings=often)
    # Examples are worth drawing when together they meet every verdict.
    assert Families.seen.keys() == VERDICTS, Families.seen


def test_a_forged_token_of_the_last_generation_there_is_gets_the_answer_of_any_other(world: World) -> None:
    """Whoever holds the service secret can make it: its mac is right, and its successor has no number."""
    forged = TOKENS.at(TOKENS.first(uuid4(), bytes(16)), 2**32 - 1)
    assert codes(world.refresh(forged.text, KINDS[0])) == ["refresh_token_invalid"]
