"""Alternates the load between systems, so that a machine that becomes slower does so for all of them."""

import random
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median, quantiles
from typing import NamedTuple

from bench.load import Load
from bench.systems import Cpu, System

SETTLING = 0.01
"""Seconds after a window, in which a server completes what it does behind an answer."""


class Plan(NamedTuple):
    """How long it takes: the number of rounds, and the seconds of each system in a round of an operation.

    On a busy machine there are fewer rounds: none begins that would end after ``longest`` seconds.
    """

    rounds: int = 10
    seconds: float = 0.35
    longest: float = 120.0


class Contest(NamedTuple):
    """An operation, how many requests are in flight, and the systems that take turns at it.

    ``most`` bounds the requests of a turn: a fast machine must not use up what can be sent once.
    """

    operation: str
    in_flight: int
    systems: Sequence[System]
    most: int = sys.maxsize


@dataclass
class Measured:
    """An operation at a system, one entry for each round."""

    rates: list[float] = field(default_factory=list)
    costs: list[Cpu] = field(default_factory=list)
    latencies: list[float] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """Requests a second."""
        return median(self.rates)

    @property
    def cpu(self) -> Cpu:
        """Microseconds of a request, the median of each part."""
        return Cpu(*(median(part) for part in zip(*self.costs, strict=True)))

    @property
    def totals(self) -> list[float]:
        """Microseconds of a request in each round."""
        return [sum(cost) for cost in self.costs]

    def percentile(self, percent: int) -> float:
        """Return the milliseconds that so many of a hundred requests stayed below."""
        ordered = sorted(self.latencies)
        return ordered[min(len(ordered) - 1, len(ordered) * percent // 100)]


class Ratio(NamedTuple):
    """A ratio of CPU time, taken within each round: the median and the quartiles."""

    lower: float
    median: float
    upper: float


def ratio(one: Measured, other: Measured) -> Ratio:
    """Return what the one costs for each microsecond of the other."""
    ratios = [mine / its for mine, its in zip(one.totals, other.totals, strict=True)]
    return Ratio(*quantiles(ratios, method="inclusive")) if len(ratios) > 1 else Ratio(*ratios * 3)


Results = Mapping[str, Mapping[str, Measured]]
"""What was measured, by operation and system."""


def alternate(load: Load, contests: Sequence[Contest], plan: Plan) -> Results:
    """Measure every operation at each of its systems, once a round and in an order by chance."""
    results = {
        contest.operation: {system.name: Measured() for system in contest.systems} for contest in contests
    }
    start = time.monotonic()
    for contest in contests:
        for system in contest.systems:
            _window(load, contest, system, plan.seconds / 2, Measured())
    for number in range(plan.rounds):
        if number and (time.monotonic() - start) * (number + 1) > plan.longest * number:
            break
        for contest in contests:
            for system in random.sample(contest.systems, len(contest.systems)):
                _window(load, contest, system, plan.seconds, results[contest.operation][system.name])
    return results


def _window(load: Load, contest: Contest, system: System, seconds: float, measured: Measured) -> None:
    before = system.cpu()
    window = load.send(
        system.name, contest.operation, in_flight=contest.in_flight, seconds=seconds, most=contest.most
    )
    time.sleep(SETTLING)
    measured.costs.append(system.cpu().since(before, window.requests))
    measured.rates.append(window.requests / window.seconds)
    measured.latencies += window.latencies
