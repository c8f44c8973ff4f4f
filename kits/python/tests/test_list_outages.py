"""Status lists while the issuer is down."""

import pytest

from conformance.issuer import Issuer, status
from conformance.minting import Mint
from testing.clock import ManualClock
from testing.lists import PATH, Lists
from testing.verdicts import Make, reason
from watchword_verifier import Reason, Verifier


@pytest.fixture
def verifier(make: Make) -> Verifier:
    return make(revocation="status-list")


@pytest.mark.parametrize("outage", ["stopped", "failing"])
def test_a_list_is_used_for_a_day_while_the_issuer_is_down(
    verifier: Verifier, mint: Mint, lists: Lists, issuer: Issuer, clock: ManualClock, outage: str
) -> None:
    lists.revoke(1)
    good, revoked = (mint.claiming(status=lists.naming(index)) for index in (0, 1))
    assert (reason(verifier, good), reason(verifier, revoked)) == (None, Reason.REVOKED)
    if outage == "stopped":
        issuer.stop()
    else:
        issuer.behaviours[PATH] = status(503)

    for seconds in (299.5, 0.5, 500):
        clock.advance(seconds)
        assert (reason(verifier, good), reason(verifier, revoked)) == (None, Reason.REVOKED)
    clock.advance(24 * 3600 - 800)
    later = mint.claiming(status=lists.naming(0))
    assert isinstance(reason(verifier, later), int)

    if outage == "stopped":
        issuer.start()
    issuer.behaviours.pop(PATH, None)
    lists.publish()
    clock.advance_until(lambda: reason(verifier, mint.claiming(status=lists.naming(0))) is None)
    assert reason(verifier, mint.claiming(status=lists.naming(1))) == Reason.REVOKED
