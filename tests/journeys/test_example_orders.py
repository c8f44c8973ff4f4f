"""The example beside the real service: who is let in, and what happens while the service is stopped."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx2
import pytest

from app.dev import Servers
from tests.support.database import Sql, connect
from tests.support.issuers import own_issuer
from tests.support.people import PASSWORD, Person, new_person
from tests.support.servers import NO_TLS, ROOT, Service, free_port
from tests.support.waiting import client_of, eventually


class Example:
    """`make example`, for this issuer."""

    def __init__(self, issuer: Service, log: Path, **more: str) -> None:
        self.port = free_port()
        variables = {
            "WATCHWORD_ISSUER": issuer.environment["AUTH_ISSUER"],
            "WATCHWORD_AUDIENCE": issuer.environment["AUTH_AUDIENCE"],
            "PYTHONPATH": str(ROOT / "kits/python/src"),
        } | more
        line = [sys.executable, "-m", "uvicorn", "--app-dir", "examples/orders", "--port", str(self.port)]
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                [*line, "orders:app"], cwd=ROOT, env=os.environ | variables, stdout=output, stderr=output
            )
        self.client = httpx2.Client(
            base_url=f"http://127.0.0.1:{self.port}", verify=NO_TLS, trust_env=False, timeout=60
        )
        eventually(self.answers, log.read_text)

    def answers(self) -> bool:
        try:
            return self.client.get("/readyz").status_code in {200, 503}
        except httpx2.TransportError:
            return False

    def ask(self, method: str, path: str, token: str | None, item: str | None = None) -> httpx2.Response:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return self.client.request(method, path, headers=headers, json={"item": item} if item else None)

    def close(self) -> None:
        self.client.close()
        self._process.terminate()
        self._process.wait()


@pytest.fixture(scope="module")
def issuer(
    servers: Servers, environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    with own_issuer(servers, environment, tmp_path_factory.mktemp("issuer")) as service:
        yield service


@pytest.fixture
async def own_sql(issuer: Service) -> AsyncIterator[Sql]:
    connection = await connect(issuer.environment["AUTH_DATABASE_URL"])
    yield connection
    await connection.close()


@pytest.fixture
async def browser(issuer: Service) -> AsyncIterator[httpx2.AsyncClient]:
    async with client_of(issuer) as client:
        yield client


@pytest.fixture
def orders(issuer: Service, tmp_path: Path) -> Iterator[Example]:
    running = Example(issuer, tmp_path / "example.log")
    yield running
    running.close()


async def token_of(client: httpx2.AsyncClient, person: Person) -> str:
    body = {"email": person.email, "password": PASSWORD, "client": "native"}
    return str((await client.post("/login", json=body)).json()["access_token"])


async def test_accounts_have_their_own_orders_and_administrators_delete_them(
    orders: Example, browser: httpx2.AsyncClient, own_sql: Sql
) -> None:
    person = await new_person(own_sql)
    token = await token_of(browser, person)
    other = await token_of(browser, await new_person(own_sql))
    admin = await token_of(browser, await new_person(own_sql, "admin"))

    added = orders.ask("POST", "/orders", token, "tea")
    assert (added.status_code, added.json()["account"]) == (201, str(person.id))
    assert [order["item"] for order in orders.ask("GET", "/orders", token).json()] == ["tea"]
    assert orders.ask("GET", "/orders", other).json() == []

    without = orders.ask("GET", "/orders", None)
    assert (without.status_code, without.headers["WWW-Authenticate"]) == (401, "Bearer")
    number = added.json()["number"]
    assert orders.ask("DELETE", f"/orders/{number}", token).status_code == 403
    assert orders.ask("DELETE", f"/orders/{number}", admin).status_code == 204
    assert orders.ask("DELETE", f"/orders/{number}", admin).status_code == 404


async def test_a_logout_arrives_at_the_example_and_holds_while_the_issuer_is_stopped(
    orders: Example, issuer: Service, browser: httpx2.AsyncClient, own_sql: Sql
) -> None:
    ended, other = [await token_of(browser, await new_person(own_sql)) for _ in range(2)]
    assert [orders.ask("GET", "/orders", token).status_code for token in (ended, other)] == [200, 200]
    await browser.post("/logout/all", headers={"Authorization": f"Bearer {ended}"}, json={})

    await asyncio.to_thread(eventually, lambda: orders.ask("GET", "/orders", ended).status_code == 401)

    issuer.terminate()
    assert [orders.ask("GET", "/orders", token).status_code for token in (ended, other)] == [401, 200]
    await asyncio.to_thread(issuer.start)


async def test_it_starts_without_the_issuer_and_tells_clients_to_try_again(
    issuer: Service, browser: httpx2.AsyncClient, own_sql: Sql, tmp_path: Path
) -> None:
    token = await token_of(browser, await new_person(own_sql))
    nowhere = f"http://127.0.0.1:{free_port()}/.well-known/jwks.json"
    running = Example(issuer, tmp_path / "example.log", WATCHWORD_JWKS_URL=nowhere)
    try:
        answer = running.ask("GET", "/orders", token)
        assert (answer.status_code, running.client.get("/readyz").status_code) == (503, 503)
        assert int(answer.headers["Retry-After"]) >= 1
    finally:
        running.close()
