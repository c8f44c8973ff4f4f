"""The example beside the real service: who is let in, and what happens while the service is stopped."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from tests.support.database import Sql
from tests.support.people import PASSWORD, Person, new_person
from tests.support.servers import NO_TLS, ROOT, Service, free_port
from tests.support.waiting import eventually


class Example:
    """`make example`, for this issuer."""

    def __init__(self, issuer: str, audience: str, key_set: str, log: Path) -> None:
        self.port = free_port()
        variables = {
            "WATCHWORD_ISSUER": issuer,
            "WATCHWORD_AUDIENCE": audience,
            "WATCHWORD_JWKS_URL": key_set,
            "PYTHONPATH": str(ROOT / "kits/python/src"),
        }
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


def example(service: Service, folder: Path, *, at: str | None = None) -> Example:
    issuer = service.environment["AUTH_ISSUER"]
    key_set = f"{at or service.url}/.well-known/jwks.json"
    return Example(issuer, service.environment["AUTH_AUDIENCE"], key_set, folder / "example.log")


@pytest.fixture
def orders(service: Service, tmp_path: Path) -> Iterator[Example]:
    running = example(service, tmp_path)
    yield running
    running.close()


async def token_of(client: httpx2.AsyncClient, person: Person) -> str:
    body = {"email": person.email, "password": PASSWORD, "client": "native"}
    return str((await client.post("/login", json=body)).json()["access_token"])


async def test_accounts_have_their_own_orders_and_administrators_delete_them(
    orders: Example, client: httpx2.AsyncClient, person: Person, sql: Sql
) -> None:
    token = await token_of(client, person)
    other = await token_of(client, await new_person(sql))
    admin = await token_of(client, await new_person(sql, "admin"))

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


async def test_it_starts_without_the_issuer_and_tells_clients_to_try_again(
    service: Service, client: httpx2.AsyncClient, person: Person, tmp_path: Path
) -> None:
    token = await token_of(client, person)
    running = example(service, tmp_path, at=f"http://127.0.0.1:{free_port()}")
    try:
        answer = running.ask("GET", "/orders", token)
        assert (answer.status_code, running.client.get("/readyz").status_code) == (503, 503)
        assert int(answer.headers["Retry-After"]) >= 1
    finally:
        running.close()
