"""What is logged, at the most talkative level, holds no token and no secret."""

import logging
from typing import Any

import pytest

from conformance.attacks import attacks
from conformance.issuer import KEYS, Issuer, status
from conformance.minting import Mint, new_key
from testing.clock import ManualClock, eventually
from testing.stream import Stream
from testing.verdicts import Make, asked, reason
from watchword_verifier import ClientCredentials


def written(caplog: pytest.LogCaptureFixture) -> str:
    formatter = logging.Formatter("%(name)s %(message)s")
    return "\n".join(formatter.format(record) for record in caplog.records)


def test_no_token_and_no_secret_is_logged(
    make: Make, mint: Mint, issuer: Issuer, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    issuer.keys.append(new_key("rsa", "RS256"))
    rsa = Mint(issuer.url, mint.audience, new_key("rsa", "RS256"), clock.wall)
    stream = Stream(issuer)
    verifier = make(revocation="feed", client=ClientCredentials("orders", "wwc_a secret of the test"))
    tokens = [mint.token(), *(attack.make(rsa) for attack in attacks(new_key("stranger", "RS256")).values())]

    for token in tokens:
        reason(verifier, token)
    stream.event("ready", {})
    eventually(lambda: verifier.health().feed_is_live)
    stream.end()

    text = written(caplog)
    assert "the revocation feed is live" in text
    parts = {part for token in tokens for part in token.split(".") if len(part) > 16}
    assert [part for part in parts if part in text] == []
    assert "wwc_a secret of the test" not in text
    assert "a.b.c" not in text


def test_an_outage_is_logged_once_and_so_is_its_end(
    make: Make, issuer: Issuer, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="watchword_verifier")
    issuer.behaviours[KEYS] = status(500)
    verifier = make()
    verifier.start()
    for attempt in range(1, 5):
        eventually(lambda attempt=attempt: asked(issuer, KEYS, attempt))  # type: ignore[misc] # mypy and defaults
        eventually(lambda: clock.waits(0.5, 8))
        if attempt == 4:
            del issuer.behaviours[KEYS]
        clock.advance(8)
    eventually(lambda: verifier.health().has_keys)

    lines = [record.getMessage() for record in caplog.records if record.name == "watchword_verifier"]
    assert lines[0] == "the key set could not be fetched: the answer has status 500"
    assert lines[1].startswith("the key set: fetched again after ")
    assert len(lines) == 2


def test_a_fault_of_the_verifier_itself_is_logged_and_leaves_it_running(
    make: Make,
    mint: Mint,
    clock: ManualClock,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(_document: bytes) -> Any:
        raise RuntimeError("a fault")

    with monkeypatch.context() as patch:
        patch.setattr("watchword_verifier.key_source.parse_key_set", broken)
        verifier = make()
        assert reason(verifier, mint.token()) == 1
        assert verifier.health().keys_error == "unexpectedly, RuntimeError"
        eventually(lambda: clock.waits(0.5, 1))
    clock.advance(1)
    eventually(lambda: reason(verifier, mint.token()) is None)
    assert "Traceback" in caplog.text
