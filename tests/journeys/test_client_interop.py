"""Clients that others wrote get tokens, ask about them and revoke them, from the metadata alone.

npm's oauth4webapi is tested wherever npm is, and under ``CI=true`` in any case: there its absence fails.
"""

import asyncio
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jwt
import pytest
from authlib.integrations.base_client.errors import OAuthError
from authlib.integrations.requests_client import OAuth2Session
from authlib.oauth2.rfc7523 import PrivateKeyJWT
from joserfc.jwk import ECKey

from app.dev import Servers
from tests.support.clients import ServiceClient, Signer, new_client, new_signer
from tests.support.database import Sql
from tests.support.people import Person, login
from tests.support.processes import PATIENCE
from tests.support.servers import ROOT, Service, free_port
from tests.support.waiting import client_of

INTEROP = ROOT / "tests/journeys/interop"
KEY = new_signer()


@pytest.fixture(scope="module")
def own(
    migrated: Servers, environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    """A service whose issuer is where it listens, so that clients find it."""
    port = free_port()
    issuer = {"AUTH_ISSUER": f"http://localhost:{port}", "AUTH_AUDIENCE": f"http://localhost:{port}"}
    with Service(environment | issuer, tmp_path_factory.mktemp("own"), port=port) as service:
        yield service


@pytest.fixture
async def orders(sql: Sql) -> ServiceClient:
    return await new_client(sql, "introspect", "read", keys=(KEY.jwk,))


@pytest.fixture
async def token(own: Service, person: Person) -> str:
    """An access token of a person's session."""
    async with client_of(own) as client:
        return str((await login(client, person)).json()["access_token"])


class Proving(PrivateKeyJWT):  # type: ignore[misc] # Authlib has no types
    """Authlib's assertions, with the audience, the type and the lifetime of RFC 7523 as it was updated.

    Authlib writes ``jti`` into the claims that it is given, and would send it again.
    """

    def __init__(self, issuer: str) -> None:
        header = {"typ": "client-authentication+jwt", "kid": KEY.jwk["kid"]}
        super().__init__(issuer, headers=header, alg="ES256")

    def sign(self, auth: Any, token_endpoint: str) -> Any:
        self.claims = {"exp": int(datetime.now(UTC).timestamp()) + 60}
        return super().sign(auth, token_endpoint)


def session_of(own: Service, orders: ServiceClient, way: str) -> OAuth2Session:
    proof = orders.secret if way == "client_secret_basic" else ECKey.import_key(private_jwk(KEY))
    session = OAuth2Session(
        str(orders.id), proof, token_endpoint_auth_method=way, revocation_endpoint_auth_method=way
    )
    session.register_client_auth_method(Proving(own.url))
    return session


def private_jwk(key: Signer) -> dict[str, Any]:
    written: dict[str, Any] = jwt.get_algorithm_by_name("ES256").to_jwk(key.private_key, as_dict=True)
    return written | {"kid": key.jwk["kid"]}


def use(own: Service, orders: ServiceClient, token: str, way: str) -> dict[str, Any]:
    """What Authlib finds and is told."""
    session = session_of(own, orders, way)
    where = f"{own.url}/.well-known/oauth-authorization-server"
    found = session.get(where, withhold_token=True, timeout=PATIENCE).json()
    issued = session.fetch_token(found["token_endpoint"], grant_type="client_credentials", scope="introspect")
    described = session.introspect_token(found["introspection_endpoint"], token=token).json()
    revoked = session.revoke_token(found["revocation_endpoint"], token=issued["access_token"])
    after = session.introspect_token(found["introspection_endpoint"], token=issued["access_token"]).json()
    return {
        "issued": issued["scope"],
        "expires_in": issued["expires_in"],
        "sub": described["sub"],
        "revoked": revoked.status_code,
        "active": after["active"],
    }


@pytest.mark.requirement("S3", "S4", "S5")
@pytest.mark.parametrize("way", ["client_secret_basic", "private_key_jwt"])
async def test_authlib_gets_asks_and_revokes(
    own: Service,
    orders: ServiceClient,
    person: Person,
    token: str,
    way: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AUTHLIB_INSECURE_TRANSPORT", "1")
    monkeypatch.setenv("no_proxy", "localhost")
    assert await asyncio.to_thread(use, own, orders, token, way) == {
        "issued": "introspect",
        "expires_in": 900,
        "sub": str(person.id),
        "revoked": 200,
        "active": False,
    }


async def test_authlib_is_told_in_the_words_of_the_rfc_why_it_is_refused(
    own: Service, orders: ServiceClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AUTHLIB_INSECURE_TRANSPORT", "1")
    monkeypatch.setenv("no_proxy", "localhost")
    for secret, scope, error in (
        (orders.secret[:-1], "read", "invalid_client"),
        (orders.secret, "x", "invalid_scope"),
    ):
        session = OAuth2Session(str(orders.id), secret, token_endpoint_auth_method="client_secret_basic")
        with pytest.raises(OAuthError) as refused:
            await asyncio.to_thread(
                session.fetch_token, f"{own.url}/token", grant_type="client_credentials", scope=scope
            )
        assert refused.value.error == error


async def test_oauth4webapi_gets_asks_and_revokes(
    own: Service, orders: ServiceClient, person: Person, token: str
) -> None:
    assert (INTEROP / "node_modules/oauth4webapi").exists(), f"run: npm ci --prefix {INTEROP}"
    asked = {
        "issuer": own.url,
        "client_id": str(orders.id),
        "client_secret": orders.secret,
        "jwk": private_jwk(KEY),
        "token": token,
    }
    done = await asyncio.to_thread(_node, INTEROP / "clients.mjs", json.dumps(asked))
    assert done.returncode == 0, done.stderr
    same = {"issued": "introspect", "expires_in": 900, "sub": str(person.id), "active": False}
    assert json.loads(done.stdout) == {
        "client_secret_basic": same,
        "private_key_jwt": same,
        "wrong": {"status": 401, "scheme": "basic"},
    }


def _node(script: Path, given: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["node", script], input=f"{given}\n", capture_output=True, text=True, check=False, timeout=PATIENCE
    )


# Left out only where a tool is missing that the README does not ask for; in CI it has to be there.
if os.environ.get("CI") != "true" and not shutil.which("npm"):
    del test_oauth4webapi_gets_asks_and_revokes
