"""An issuer on a real socket, a clock that stands still, and a verifier between them."""

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from conformance.issuer import Issuer
from conformance.minting import Mint, new_key
from testing.clock import ManualClock
from testing.lists import Lists
from testing.verdicts import AUDIENCE, Make
from watchword_verifier import Options, Verifier


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    with Issuer(new_key("one")) as issuer:
        yield issuer


@pytest.fixture
def mint(issuer: Issuer, clock: ManualClock) -> Mint:
    return Mint(issuer.url, AUDIENCE, new_key("one"), clock.wall)


@pytest.fixture
def make(issuer: Issuer, clock: ManualClock) -> Iterator[Make]:
    """Verifiers with other options, closed at the end of the test."""
    with ExitStack() as closing:

        def made(**options: Any) -> Verifier:
            common: dict[str, Any] = {"issuer": issuer.url, "audience": AUDIENCE, "revocation": "none"}
            verifier = Verifier(Options(**common | options), clock=clock)
            closing.callback(verifier.close)
            return verifier

        yield made


@pytest.fixture
def verifier(make: Make) -> Verifier:
    return make()


@pytest.fixture
def lists(issuer: Issuer, clock: ManualClock) -> Lists:
    lists = Lists(issuer, clock)
    lists.publish()
    return lists
