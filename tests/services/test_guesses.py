"""Guesses at a secret: the slot, the charge, the comparison, and then the refund or the cleared failures."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from app.crypto.device_tokens import DeviceTokens
from app.crypto.passwords import Decoy, HashingPolicy, PasswordCheck, PasswordHasher
from app.crypto.secrets import ServiceSecrets
from app.dev import Servers
from app.domain.events import Actor, Event, EventKind, Reason
from app.domain.refusals import Refusal, Refused
from app.domain.throttling import Budget, Holder, Limit, ThrottlingPolicy, TooManyRequests
from app.services.guesses import Guesses
from app.services.slots import Overloaded, Slots
from app.services.throttling import Attempt, Throttle, Way
from app.storage.postgres.events import EventStore
from app.storage.redis.throttling import FailureCounters
from tests.support.people import PASSWORD
from tests.support.races import CHEAP_HASH
from tests.support.servers import ISSUER

NOW = datetime(2026, 7, 1, 12, tzinfo=UTC)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
WRONG = "not the password at all"
FAILED = Event(EventKind.LOGIN_FAILED, Actor.VISITOR)


class TracedHasher(PasswordHasher):
    """Records the comparisons."""

    def __init__(self, steps: list[str]) -> None:
        super().__init__(HashingPolicy(memory_kib=8, time_cost=1, threads=1))
        self.steps = steps

    async def verify(self, password: str, stored: str | None, decoy: Decoy | None = None) -> PasswordCheck:
        self.steps.append("comparison")
        return await super().verify(password, stored, decoy)


class TracedSlots(Slots):
    """Records the use of slots."""

    def __init__(self, steps: list[str]) -> None:
        super().__init__(2)
        self.steps = steps

    @contextmanager
    def take(self, holders: Sequence[Holder]) -> Iterator[None]:
        with super().take(holders):
            self.steps.append("slot taken")
            yield
        self.steps.append("slot free")


class TracedCounters(FailureCounters):
    """Records the charges."""

    def __init__(self, url: str, steps: list[str]) -> None:
        super().__init__(url, ISSUER, lambda: NOW)
        self.steps = steps

    async def charge(self, budgets: object) -> None:
        await super().charge(budgets)  # type: ignore[arg-type]
        self.steps.append("charge")


class RecordedEvents(EventStore):
    """Keeps events in memory."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    async def add(self, event: Event) -> None:
        self.events.append(event)


@pytest.fixture
def steps() -> list[str]:
    return []


@pytest.fixture
def events() -> RecordedEvents:
    return RecordedEvents()


@pytest.fixture(params=["in Redis", "in this process"])
async def guesses(
    request: pytest.FixtureRequest, servers: Servers, steps: list[str], events: RecordedEvents
) -> AsyncIterator[Guesses]:
    url = servers.redis_url if request.param == "in Redis" else "redis://127.0.0.1:1"
    counters, hasher = TracedCounters(url, steps), TracedHasher(steps)
    devices = DeviceTokens(ServiceSecrets([bytes(range(32))]))
    throttle = Throttle(counters, devices, str, ThrottlingPolicy((), (), (), ()))
    yield Guesses(hasher, TracedSlots(steps), throttle, events)
    hasher.close()
    await counters.close()


def budget(name: str, amount: int, window: timedelta = MINUTE) -> Budget:
    """A budget with a key of its own, which allows this many failures."""
    return Budget(name, uuid4().hex, (Limit(amount, window),))


def way(amount: int, window: timedelta = MINUTE) -> Way:
    """A way with one budget, which a right guess clears."""
    account = (budget("account", amount, window),)
    return Way(account, cleared=account)


def attempt(*ways: Way) -> Attempt:
    """An attempt with these ways, whose holder has no smaller share than all slots."""

    async def all_of_them() -> Sequence[Way]:
        return ways

    return Attempt((Holder("account", 1),), all_of_them)


async def throttled(refused: TooManyRequests) -> Event:
    return Event(EventKind.LOGIN_THROTTLED, Actor.VISITOR, details={"budget": refused.budget.name})


async def guess(guesses: Guesses, *ways: Way, password: str = WRONG) -> Refusal | None:
    """Guess once, and return why the guess was refused, or None when it was right."""
    try:
        async with guesses.guess(attempt(*ways), throttled) as current:
            check = await current.verify(password, CHEAP_HASH)
            if not check.matches:
                raise await current.refuse(FAILED, Reason.WRONG_PASSWORD)
    except Refused as refused:
        return refused.refusal
    return None


async def interrupted_guess(guesses: Guesses, only: Way, password: str | None, *, undo: bool = False) -> None:
    """A guess that an outage ends, before the comparison or after it; ``undo`` makes it undecided again."""
    async with guesses.guess(attempt(only), throttled) as current:
        if password is not None:
            await current.verify(password, CHEAP_HASH)
        if undo:
            current.is_decided = False
        raise Refused(Refusal.UNAVAILABLE)


async def test_a_guess_takes_a_slot_then_is_charged_and_then_compared(
    guesses: Guesses, steps: list[str]
) -> None:
    async with guesses.guess(attempt(way(1)), throttled) as current:
        states = [current.is_decided]
        assert (await current.verify(PASSWORD, CHEAP_HASH)).matches
        states.append(current.is_decided)
    assert states == [False, True]
    assert steps == ["slot taken", "charge", "comparison", "slot free"]


async def test_a_guess_without_a_free_slot_is_not_charged(guesses: Guesses, steps: list[str]) -> None:
    with guesses.slots.take([]), guesses.slots.take([]), pytest.raises(Overloaded):
        async with guesses.guess(attempt(way(1)), throttled):
            raise AssertionError
    assert "charge" not in steps


async def test_a_new_hash_needs_no_second_slot(guesses: Guesses) -> None:
    with guesses.slots.take([]):
        async with guesses.guess(attempt(way(1)), throttled) as current:
            assert (await guesses.hasher.verify(PASSWORD, await current.hash(PASSWORD))).matches


@pytest.mark.parametrize("password", [None, PASSWORD])
async def test_a_refusal_while_the_guess_is_undecided_refunds_the_charge(
    guesses: Guesses, password: str | None
) -> None:
    only = way(1)
    for _ in range(3):
        with pytest.raises(Refused) as refused:
            await interrupted_guess(guesses, only, password, undo=True)
        assert refused.value.refusal is Refusal.UNAVAILABLE


@pytest.mark.parametrize("password", [PASSWORD, WRONG])
async def test_a_refusal_after_the_guess_is_decided_refunds_nothing(guesses: Guesses, password: str) -> None:
    only = way(1)
    with pytest.raises(Refused):
        await interrupted_guess(guesses, only, password)
    assert await guess(guesses, only, password=PASSWORD) is Refusal.TOO_MANY_REQUESTS


async def test_an_error_that_is_not_a_refusal_refunds_nothing(guesses: Guesses) -> None:
    only = way(1)
    with pytest.raises(LookupError):
        async with guesses.guess(attempt(only), throttled):
            raise LookupError
    assert await guess(guesses, only) is Refusal.TOO_MANY_REQUESTS


async def test_a_right_guess_clears_earlier_failures_and_refunds_shared_budgets(guesses: Guesses) -> None:
    account, everyone = budget("account", 2), budget("everyone", 3)
    shared = Way((account, everyone), cleared=(account,))
    assert await guess(guesses, shared) is Refusal.INVALID_CREDENTIALS
    assert await guess(guesses, shared, password=PASSWORD) is None
    # The account has two failures left again, and everyone two of three.
    for _ in range(2):
        assert await guess(guesses, shared) is Refusal.INVALID_CREDENTIALS
    with pytest.raises(TooManyRequests) as refused:
        await guesses.throttle.charge(Way((everyone,), cleared=()))
    assert refused.value.budget == everyone
    await guesses.throttle.clear(Way((), cleared=(everyone,)))
    with pytest.raises(TooManyRequests) as refused:
        await guesses.throttle.charge(shared)
    assert refused.value.budget == account


async def test_a_throttled_guess_is_recorded_only_when_it_is_news(
    guesses: Guesses, events: RecordedEvents, steps: list[str]
) -> None:
    only = way(1)
    await guess(guesses, only)
    events.events.clear()
    steps.clear()
    for _ in range(3):
        assert await guess(guesses, only) is Refusal.TOO_MANY_REQUESTS
    assert [(event.kind, event.details) for event in events.events] == [
        (EventKind.LOGIN_THROTTLED, {"budget": "account"})
    ]
    assert "comparison" not in steps


async def test_a_failed_guess_is_recorded_with_its_reason(guesses: Guesses, events: RecordedEvents) -> None:
    async with guesses.guess(attempt(way(1)), throttled) as current:
        refused = await current.refuse(FAILED, Reason.ACCOUNT_DISABLED, Refusal.ACCOUNT_DISABLED)
    assert refused.refusal is Refusal.ACCOUNT_DISABLED
    assert events.events == [replace(FAILED, reason=Reason.ACCOUNT_DISABLED)]


async def test_only_the_first_way_with_budget_is_charged(guesses: Guesses, steps: list[str]) -> None:
    first, second = way(1), way(1)
    for _ in range(2):
        assert await guess(guesses, first, second) is Refusal.INVALID_CREDENTIALS
    assert steps.count("charge") == 2
    assert await guess(guesses, second) is Refusal.TOO_MANY_REQUESTS


@pytest.mark.parametrize("reverse", [False, True])
async def test_the_refusal_is_that_of_the_way_that_opens_first(guesses: Guesses, reverse: bool) -> None:
    soon, late = way(1), way(1, HOUR)
    ways = [late, soon] if reverse else [soon, late]
    for each in ways:
        await guess(guesses, each)
    with pytest.raises(TooManyRequests) as refused:
        async with guesses.guess(attempt(*ways), throttled):
            raise AssertionError
    assert refused.value.budget == soon.charged[0]
    assert 1 <= refused.value.opens_in <= 60


async def test_of_two_concurrent_guesses_with_budget_for_one_exactly_one_is_admitted(
    guesses: Guesses,
) -> None:
    only, admitted, decided = way(1), list[object](), asyncio.Event()

    async def one() -> None:
        async with guesses.guess(attempt(only), throttled) as current:
            admitted.append(current)
            # The first one is compared after the second one has been refused, or has been admitted as well.
            if len(admitted) == 2:
                decided.set()
            await decided.wait()
            await current.verify(WRONG, CHEAP_HASH)
            raise await current.refuse(FAILED, Reason.WRONG_PASSWORD)

    attempts = [asyncio.create_task(one()) for _ in range(2)]
    await asyncio.wait(attempts, return_when=asyncio.FIRST_COMPLETED)
    decided.set()
    outcomes = await asyncio.gather(*attempts, return_exceptions=True)
    assert len(admitted) == 1
    assert {outcome.refusal for outcome in outcomes if isinstance(outcome, Refused)} == {
        Refusal.INVALID_CREDENTIALS,
        Refusal.TOO_MANY_REQUESTS,
    }
