"""Access tokens of the real service, checked by verifiers that others wrote, from the key set's URL alone.

npm's jose is tested wherever npm is, and under ``CI=true`` in any case: there its absence is a failure.
"""

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import jwt
import pytest

from app.crypto.access_tokens import Signer
from app.dev import Servers
from app.domain.access_tokens import TokenPolicy, claims
from app.domain.keys import Algorithm, KeyState
from app.domain.sessions import ClientKind, SessionGrant
from tests.support.database import connect
from tests.support.people import login, new_person
from tests.support.servers import ISSUER, Service, database, migrate
from tests.support.tokens import b64, opened, sealed_keys, unb64
from tests.support.verifiers import LEEWAY, VERIFIERS, Issued, Refused, Verifier
from tests.support.waiting import client_of

POLICY = TokenPolicy(ISSUER, ISSUER, timedelta(minutes=15), timedelta(seconds=LEEWAY))

# joserfc, which Authlib stands on, would rather see "Ed25519" (RFC 9864), which the others hardly know yet.
pytestmark = pytest.mark.filterwarnings("ignore:EdDSA is deprecated:joserfc.errors.SecurityWarning")


@pytest.fixture(params=list(VERIFIERS))
def verify(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Verifier:
    # PyJWKClient would ask a proxy that the environment names.
    monkeypatch.setenv("no_proxy", "localhost")
    return VERIFIERS[request.param]


@pytest.fixture(scope="module", params=list(Algorithm))
async def issued(
    request: pytest.FixtureRequest,
    servers: Servers,
    environment: dict[str, str],
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[Issued]:
    """A service on a database of its own, which signs with this algorithm from its first key on."""
    algorithm: Algorithm = request.param
    with database(servers.database_url, f"{_name(servers)}_{algorithm.lower()}") as url:
        own = environment | {"AUTH_DATABASE_URL": url, "AUTH_SIGNING_ALGORITHM": algorithm.value}
        migrate(own)
        with Service(own, tmp_path_factory.mktemp(algorithm)) as service:
            yield await _issued_by(service, url)


def _name(servers: Servers) -> str:
    return servers.database_url.rpartition("/")[2].partition("?")[0]


async def _issued_by(service: Service, database_url: str) -> Issued:
    sql = await connect(database_url)
    try:
        person = await new_person(sql, "admin")
        key = (await sealed_keys(sql))[KeyState.SIGNING]
    finally:
        await sql.close()
    async with client_of(service) as client:
        answer = await login(client, person)
    return Issued(service, key, person, answer.json()["access_token"])


def minted(
    issued: Issued,
    policy: TokenPolicy = POLICY,
    *,
    ago: timedelta = timedelta(),
    roles: tuple[str, ...] = ("admin",),
) -> str:
    """A token signed with the service's own key, as the service would have issued it some time ago."""
    now = datetime.now(UTC) - ago
    account_id = issued.person.id
    grant = SessionGrant(
        account_id,
        account_id,
        ClientKind.NATIVE,
        roles,
        ("pwd",),
        now,
        now + timedelta(days=1),
        issued.key.kid,
    )
    signer = Signer(issued.key.kid, issued.key.algorithm, opened(issued.key))
    return signer.sign(claims(grant, policy, "an-id", now=now))


def test_a_token_of_the_service_is_accepted_with_issuer_and_audience_checked(
    issued: Issued, verify: Verifier
) -> None:
    believed = verify(issued, issued.token)

    assert not isinstance(believed, Refused), believed
    assert (believed["iss"], believed["aud"], believed["sub"]) == (ISSUER, ISSUER, str(issued.person.id))
    assert jwt.get_unverified_header(issued.token) == {
        "alg": issued.key.algorithm.value,
        "kid": issued.key.kid,
        "typ": "at+jwt",
    }


def test_a_token_minted_here_is_accepted_so_that_the_refusals_below_mean_something(
    issued: Issued, verify: Verifier
) -> None:
    assert not isinstance(verify(issued, minted(issued)), Refused)


def test_a_token_of_an_account_without_roles_is_accepted(issued: Issued, verify: Verifier) -> None:
    assert not isinstance(believed := verify(issued, minted(issued, roles=())), Refused), believed


def test_a_changed_payload_is_refused(issued: Issued, verify: Verifier) -> None:
    header, payload, signature = issued.token.split(".")
    changed = json.dumps(json.loads(unb64(payload)) | {"roles": ["root"]}).encode()

    assert verify(issued, f"{header}.{b64(changed)}.{signature}") == Refused("signature")


def test_a_changed_signature_is_refused(issued: Issued, verify: Verifier) -> None:
    signed, _, signature = issued.token.rpartition(".")
    raw = bytearray(unb64(signature))
    raw[len(raw) // 2] ^= 1

    assert verify(issued, f"{signed}.{b64(bytes(raw))}") == Refused("signature")


def test_an_expired_token_is_refused(issued: Issued, verify: Verifier) -> None:
    assert verify(issued, minted(issued, ago=timedelta(hours=1))) == Refused("exp")


def test_a_token_for_another_audience_is_refused(issued: Issued, verify: Verifier) -> None:
    assert verify(issued, minted(issued, replace(POLICY, audience="https://other.example.com"))) == Refused(
        "aud"
    )


def test_a_token_of_another_issuer_is_refused(issued: Issued, verify: Verifier) -> None:
    assert verify(issued, minted(issued, replace(POLICY, issuer="https://other.example.com"))) == Refused(
        "iss"
    )
