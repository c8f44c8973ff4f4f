"""An API in JavaScript that knows nothing but the issuer's URL: express-oauth2-jwt-bearer in strict mode.

It is tested wherever npm is, and under ``CI=true`` in any case: there its absence is a failure.
"""

import os
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2
import jwt
import pytest

from app.dev import Servers
from app.domain.keys import Algorithm, KeyState, SigningKey
from tests.support.database import Sql, connect
from tests.support.people import Person, login, new_person
from tests.support.processes import PATIENCE
from tests.support.servers import Service, database, free_port, migrate
from tests.support.tokens import b64, opened, sealed_keys, unb64
from tests.support.verifiers import INTEROP, VERIFIERS, ShiftedTime
from tests.support.waiting import client_of, until

AUDIENCE = "https://api.example.com"

pytestmark = pytest.mark.skipif("npm jose" not in VERIFIERS, reason="there is no npm")


@dataclass(frozen=True, slots=True)
class Site:
    """A service that is its own issuer, and a person with an account."""

    service: Service
    sql: Sql
    person: Person

    @property
    def issuer(self) -> str:
        return self.service.environment["AUTH_ISSUER"]

    async def token(self) -> str:
        async with client_of(self.service) as client:
            answer = await login(client, self.person)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["access_token"])

    async def key(self) -> SigningKey:
        return (await sealed_keys(self.sql))[KeyState.SIGNING]


@dataclass(frozen=True, slots=True)
class Case:
    """A site, a token that it has issued, the key of it, and an API."""

    token: str
    key: SigningKey
    api: httpx2.Client

    def minted(self, typ: str = "at+jwt", **claims: Any) -> str:
        """The token, signed again by the same key with other claims."""
        good = jwt.decode(self.token, options={"verify_signature": False})
        headers = {"kid": self.key.kid, "typ": typ}
        return jwt.encode(good | claims, opened(self.key), algorithm=self.key.algorithm, headers=headers)


@asynccontextmanager
async def site(
    servers: Servers, environment: dict[str, str], folder: Path, algorithm: Algorithm, *, slash: str = ""
) -> AsyncIterator[Site]:
    port = free_port()
    with ExitStack() as stack:
        url = stack.enter_context(database(servers.database_url, f"watchword_{uuid4().hex}"))
        own = environment | {
            "AUTH_DATABASE_URL": url,
            "AUTH_ISSUER": f"http://localhost:{port}{slash}",
            "AUTH_AUDIENCE": AUDIENCE,
            "AUTH_SIGNING_ALGORITHM": algorithm.value,
        }
        migrate(own)
        service = stack.enter_context(Service(own, folder, port=port))
        sql = await connect(url)
        try:
            yield Site(service, sql, await new_person(sql))
        finally:
            await sql.close()


@contextmanager
def express(issuer: str) -> Iterator[httpx2.Client]:
    """A client of an API that trusts this issuer, and has fetched nothing yet."""
    assert (INTEROP / "node_modules" / "express").is_dir(), f"run: npm ci --prefix {INTEROP}"
    # The library would read missing options from variables such as JWKS_URI.
    bare = {"PATH": os.environ["PATH"]}
    with subprocess.Popen(
        ["node", "express.mjs", issuer, AUDIENCE], cwd=INTEROP, env=bare, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        try:
            port = int(process.stdout.readline())
            with httpx2.Client(
                base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=PATIENCE
            ) as client:
                yield client
        finally:
            process.kill()


def answer_to(api: httpx2.Client, token: str) -> httpx2.Response:
    return api.get("/", headers={"Authorization": f"Bearer {token}"})


def assert_refused(case: Case, token: str, reason: str) -> None:
    answer = answer_to(case.api, token)
    assert (answer.status_code, answer.json()) == (401, {"code": "invalid_token", "message": reason})


@pytest.fixture(
    scope="module",
    params=[(Algorithm.RS256, ""), (Algorithm.EDDSA, "/")],
    ids=["RS256", "EdDSA, and an issuer that ends with a slash"],
)
async def case(
    request: pytest.FixtureRequest,
    servers: Servers,
    environment: dict[str, str],
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[Case]:
    algorithm, slash = request.param
    folder = tmp_path_factory.mktemp(algorithm)
    async with site(servers, environment, folder, algorithm, slash=slash) as own:
        with express(own.issuer) as api:
            yield Case(await own.token(), await own.key(), api)


def test_a_good_token_is_accepted(case: Case) -> None:
    answer = answer_to(case.api, case.token)

    assert answer.status_code == 200, answer.text
    assert answer.json() == jwt.decode(case.token, options={"verify_signature": False})


def test_a_token_minted_here_is_accepted_so_that_the_refusals_below_mean_something(case: Case) -> None:
    answer = answer_to(case.api, case.minted())

    assert answer.status_code == 200, answer.text


def test_a_changed_signature_is_refused(case: Case) -> None:
    signed, _, signature = case.token.rpartition(".")
    raw = bytearray(unb64(signature))
    raw[len(raw) // 2] ^= 1

    assert_refused(case, f"{signed}.{b64(bytes(raw))}", "signature verification failed")


def test_an_expired_token_is_refused(case: Case) -> None:
    an_hour_ago = jwt.decode(case.token, options={"verify_signature": False})["iat"] - 3600
    expired = case.minted(iat=an_hour_ago, nbf=an_hour_ago, exp=an_hour_ago + 900)

    assert_refused(case, expired, '"exp" claim timestamp check failed')


def test_a_token_for_another_audience_is_refused(case: Case) -> None:
    assert_refused(case, case.minted(aud="https://other.example.com"), "Unexpected 'aud' value")


def test_a_token_of_another_issuer_is_refused(case: Case) -> None:
    assert_refused(case, case.minted(iss="https://other.example.com"), "Unexpected 'iss' value")


def test_a_token_that_is_not_called_an_access_token_is_refused(case: Case) -> None:
    assert_refused(case, case.minted(typ="JWT"), "Unexpected 'typ' value")


async def test_a_token_of_the_new_key_is_accepted_after_a_change_of_the_algorithm(
    servers: Servers, environment: dict[str, str], tmp_path: Path
) -> None:
    async with site(servers, environment, tmp_path, Algorithm.RS256) as own:
        time = ShiftedTime(own.sql)
        await time.passes(timedelta(minutes=61))
        assert own.service.terminate() == 0
        own.service.environment["AUTH_SIGNING_ALGORITHM"] = "ES256"
        own.service.start()
        # What the middleware fetches it keeps for ten minutes, of which fewer pass from here on.
        await time.passes(timedelta(minutes=59))
        with express(own.issuer) as api:
            old = await own.token()
            assert answer_to(api, old).status_code == 200
            await time.passes(timedelta(minutes=2))

            async def the_standby_signs() -> bool:
                return (await own.key()).algorithm is Algorithm.ES256

            await until(the_standby_signs)
            new = await own.token()
            assert [jwt.get_unverified_header(token)["alg"] for token in (old, new)] == ["RS256", "ES256"]
            for token in (new, old):
                answer = answer_to(api, token)
                assert answer.status_code == 200, answer.text
