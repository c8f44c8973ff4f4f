"""Forged and malformed tokens are refused for the rule that they break, and none is an error."""

import json
from dataclasses import replace

import pytest

from conformance.attack import LEEWAY
from conformance.attacks import attacks
from conformance.claims import ACCEPTED, CLAIMS, ELSEWHERE
from conformance.issuer import Issuer
from conformance.minting import LIFETIME, Mint, new_key
from testing.clock import ManualClock
from testing.verdicts import Make, reason
from watchword_verifier import Reason, StatusReference, Verifier

ATTACKS = attacks(new_key("stranger", "RS256"))


@pytest.fixture
def rsa(mint: Mint, issuer: Issuer) -> Mint:
    issuer.keys.append(new_key("rsa", "RS256"))
    return replace(mint, key=new_key("rsa", "RS256"))


@pytest.mark.parametrize("name", ATTACKS)
def test_a_forged_token_is_refused_for_the_rule_that_it_breaks(
    verifier: Verifier, rsa: Mint, name: str
) -> None:
    attack = ATTACKS[name]

    assert reason(verifier, attack.make(rsa)) == attack.reason


@pytest.mark.parametrize("name", ACCEPTED | ELSEWHERE)
def test_a_good_token_is_accepted(verifier: Verifier, rsa: Mint, name: str) -> None:
    assert reason(verifier, (ACCEPTED | ELSEWHERE)[name](rsa)) is None


@pytest.mark.parametrize("algorithm", ["ES256", "EdDSA"])
def test_the_other_algorithms_verify_and_refuse_as_well(
    verifier: Verifier, mint: Mint, issuer: Issuer, algorithm: str
) -> None:
    key = new_key(f"of-{algorithm}", algorithm)
    issuer.keys.append(key)
    own = replace(mint, key=key)

    assert reason(verifier, own.token()) is None
    assert reason(verifier, own.token(sign=new_key("other", algorithm).sign)) == Reason.SIGNATURE
    assert reason(verifier, own.token(sign=lambda _: bytes(64))) == Reason.SIGNATURE


async def test_an_identity_has_the_facts_of_the_token(verifier: Verifier, mint: Mint) -> None:
    uri = f"{mint.issuer}/status/0"
    token = mint.claiming(scope='"a b"', status=json.dumps({"status_list": {"idx": 7, "uri": uri}}))

    identity = await verifier.verify(token)

    claims = mint.claims
    assert (identity.subject, identity.client_id) == (claims["sub"], "browser")
    assert (identity.token_id, identity.key_id) == (claims["jti"], "one")
    assert identity.session_id == claims["sid"]
    assert (identity.issued_at, identity.expires_at) == (claims["iat"], claims["exp"])
    assert (identity.roles, identity.scopes) == (("admin", "editor"), ("a", "b"))
    assert (identity.authenticated_at, identity.methods) == (claims["auth_time"], ("pwd",))
    assert identity.status == StatusReference(uri, 7)
    assert identity.claims["aud"] == mint.audience
    assert not identity.is_client
    assert "aud" not in repr(identity)


@pytest.mark.parametrize("leeway", [0, 30])
def test_times_are_exact_at_their_boundary(make: Make, mint: Mint, clock: ManualClock, leeway: int) -> None:
    verifier = make(leeway=leeway)
    token, late = mint.token(), mint.claiming(nbf=str(int(clock.wall()) + 100))

    clock.advance(100 - leeway - 0.5)
    assert reason(verifier, late) == Reason.NOT_YET_VALID
    clock.advance(0.5)
    assert reason(verifier, late) is None
    clock.advance(LIFETIME - 100 + 2 * leeway - 0.5)
    assert reason(verifier, token) is None
    clock.advance(0.5)
    assert reason(verifier, token) == Reason.EXPIRED


@pytest.mark.parametrize(
    "status",
    [
        "null",
        "[]",
        "{}",
        '{"status_list":null}',
        '{"status_list":{}}',
        '{"status_list":{"idx":0}}',
        '{"status_list":{"idx":"0","uri":"x"}}',
        '{"status_list":{"idx":true,"uri":"x"}}',
        '{"status_list":{"idx":-1,"uri":"x"}}',
        '{"status_list":{"idx":1099511627776,"uri":"x"}}',
        '{"status_list":{"idx":1.0,"uri":"x"}}',
        '{"status_list":{"idx":0,"uri":""}}',
        '{"another_mechanism":{}}',
    ],
)
def test_a_status_that_is_not_understood_is_refused(verifier: Verifier, mint: Mint, status: str) -> None:
    assert reason(verifier, mint.claiming(status=status)) == Reason.CLAIM


def test_every_required_claim_is_attacked() -> None:
    assert {
        f"{name} missing" for name in ("iss", "aud", "sub", "iat", "exp", "jti", "client_id")
    } <= CLAIMS.keys()
    assert LEEWAY == 30
