"""Slots for hashing: how many there are, and which share of them one account or network may hold."""

from contextlib import ExitStack

import pytest

from app.domain.throttling import Holder
from app.services.slots import Overloaded, Slots

pytestmark = pytest.mark.requirement("P4")


def held_by(slots: Slots, *holders: Holder, stack: ExitStack, at_most: int = 100) -> int:
    """Take slots until there is none, and return how many were taken; the stack gives them back."""
    for number in range(at_most):
        try:
            stack.enter_context(slots.take(holders))
        except Overloaded:
            return number
    return at_most


@pytest.mark.parametrize("total", [1, 2, 51])
def test_there_are_so_many_slots_and_each_is_free_again_after_an_error(total: int) -> None:
    slots = Slots(total)
    for _ in range(2):
        with pytest.raises(LookupError):
            use_all(slots, total)


def use_all(slots: Slots, total: int) -> None:
    with ExitStack() as stack:
        assert held_by(slots, stack=stack) == total
        with pytest.raises(Overloaded) as overloaded, slots.take([]):
            raise AssertionError
        assert overloaded.value.retry_after == 1
        raise LookupError


@pytest.mark.parametrize(
    ("total", "one_in", "share"), [(1, 4, 1), (4, 4, 1), (5, 4, 2), (51, 4, 13), (51, 2, 26)]
)
def test_a_holder_has_its_share_and_leaves_the_rest_to_others(total: int, one_in: int, share: int) -> None:
    slots, greedy, other = Slots(total), Holder("greedy", one_in), Holder("other", 1)
    for _ in range(2):
        with ExitStack() as stack:
            assert held_by(slots, greedy, stack=stack) == share
            assert held_by(slots, other, stack=stack) == total - share
        # What is held by no one is not kept, or each account ever tried would be.
        assert vars(slots)["_held"] == {}


def test_the_smallest_share_of_several_holders_decides() -> None:
    slots, account, network = Slots(8), Holder("account", 4), Holder("network", 2)
    with ExitStack() as stack:
        assert held_by(slots, account, network, stack=stack) == 2
        # Another account of the same network has what the network has left.
        assert held_by(slots, Holder("another", 1), network, stack=stack) == 2
        assert held_by(slots, Holder("another", 1), stack=stack) == 4


def test_a_refused_caller_holds_nothing() -> None:
    slots, account, network = Slots(8), Holder("account", 8), Holder("network", 1)
    with ExitStack() as stack:
        assert held_by(slots, account, network, stack=stack) == 1
        for _ in range(10):
            assert held_by(slots, account, network, stack=stack) == 0
        assert held_by(slots, network, stack=stack) == 7
