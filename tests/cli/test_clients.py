"""The commands on service clients, as an operator runs them."""

import json
from os import urandom
from pathlib import Path
from typing import Any

import httpx2
import pytest

from app.dev import Servers
from tests.support.clients import GRANT, asserting, basic, new_signer
from tests.support.clients import ServiceClient as Client
from tests.support.servers import app


@pytest.fixture
def name() -> str:
    return f"c{urandom(8).hex()}"


class Commands:
    """`clients …`, with the environment of the service."""

    def __init__(self, environment: dict[str, str]) -> None:
        self._environment = environment

    def run(self, *arguments: str, given: str = "") -> str:
        done = app("clients", *arguments, environment=self._environment, given=given)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def json(self, *arguments: str) -> Any:
        return json.loads(self.run(*arguments, "--json"))

    def refused(self, *arguments: str, status: int = 1, given: str = "") -> str:
        done = app("clients", *arguments, environment=self._environment, given=given)
        assert (done.returncode, done.stdout.strip()) == (status, "")
        return done.stderr


@pytest.fixture
def clients(migrated: Servers, environment: dict[str, str]) -> Commands:
    return Commands(environment)


async def is_known(http: httpx2.AsyncClient, client_id: str, secret: str) -> bool:
    return (await http.post("/token", data=GRANT, headers=basic(client_id, secret))).is_success


async def test_the_life_of_a_client(clients: Commands, client: httpx2.AsyncClient, name: str) -> None:
    said, secret = clients.run("create", name, "--scope", "read", "--scope", "introspect").splitlines()
    client_id = said.removeprefix(f"{name} created, id ")
    assert await is_known(client, client_id, secret)
    assert f"{name}\t{client_id}\tsecret\tintrospect read\n" in clients.run("list")
    shown = clients.run("show", name).splitlines()
    assert shown[:3] == [f"id: {client_id}", f"name: {name}", "scopes: introspect read"]
    assert shown[4].startswith("secret: since 20")
    assert ", used 20" in shown[4]

    said, successor = clients.run("rotate", client_id).splitlines()
    assert said == f"{name} rotated, id {client_id}"
    assert await is_known(client, client_id, secret)
    assert await is_known(client, client_id, successor)
    assert clients.run("show", client_id).count("\nsecret: since 20") == 2

    last = clients.json("rotate", name, "--now")
    assert last.keys() == {"client_id", "client_secret", "name"}
    assert not await is_known(client, client_id, successor)
    assert await is_known(client, client_id, last["client_secret"])

    assert clients.run("scopes", name, "write") == f"{name} changed\n"
    assert clients.json("show", name)["scopes"] == ["write"]
    assert clients.run("delete", name, "--yes").startswith(f"{name} deleted")
    assert not await is_known(client, client_id, last["client_secret"])
    assert "no service client is called" in clients.refused("show", name)


async def test_a_client_with_keys(
    clients: Commands, client: httpx2.AsyncClient, name: str, tmp_path: Path
) -> None:
    first, second, file = new_signer(), new_signer(), tmp_path / "keys.json"
    file.write_text(json.dumps({"keys": [first.jwk]}))
    created = clients.json("create", name, "--scope", "read", "--jwks", str(file))
    assert created.keys() == {"client_id", "name"}
    shown = clients.json("show", name)
    assert (shown["keys"], shown["secrets"]) == ([{"kid": first.jwk["kid"], "alg": "ES256"}], [])
    assert f"key: {first.jwk['kid']} ES256" in clients.run("show", name)
    said = clients.run("rotate", name, "--jwks", "-", given=json.dumps(second.jwk))
    assert said == f"{name} rotated, id {created['client_id']}\n"
    orders = Client(shown["id"], name, "")
    for key, status in ((first, 401), (second, 200)):
        answer = await client.post("/token", data=GRANT | asserting(key.assertion(orders)))
        assert answer.status_code == status


def test_every_form_of_json_is_the_same_for_one_and_for_all(clients: Commands, name: str) -> None:
    created = clients.json("create", name)
    shown = clients.json("show", name)
    assert shown.keys() == {"id", "name", "scopes", "created_at", "secrets", "keys"}
    assert (shown["id"], shown["scopes"]) == (created["client_id"], [])
    (secret,) = shown["secrets"]
    assert (secret["used_at"], secret["created_at"][-1]) == (None, "Z")
    assert shown in clients.json("list")
    assert f"{name}\t{shown['id']}\tsecret\t-\n" in clients.run("list")
    assert created["client_secret"] not in json.dumps(shown)


def test_what_is_wrong_is_one_line(clients: Commands, name: str, tmp_path: Path) -> None:
    private = tmp_path / "private.json"
    private.write_text(json.dumps(new_signer().jwk | {"d": "AAAA"}))
    missing, binary = str(tmp_path / "missing.json"), tmp_path / "binary"
    binary.write_bytes(b"\xff\xfe")
    clients.run("create", name)
    assert f"the service client {name} already exists" in clients.refused("create", name)
    assert "not a name" in clients.refused("create", "Two Words")
    assert "not a scope" in clients.refused("create", f"{name}2", "--scope", "two words")
    assert "private key" in clients.refused("create", f"{name}2", "--jwks", str(private))
    assert "No such file" in clients.refused("create", f"{name}2", "--jwks", missing, status=2)
    assert "no text" in clients.refused("create", f"{name}2", "--jwks", str(binary), status=2)
    assert "no service client" in clients.refused("rotate", "nobody")
    assert "no service client" in clients.refused("scopes", "nobody", "a")
    assert "Nothing was done" in clients.refused("delete", name, given="n")
    assert clients.json("show", name)["name"] == name
