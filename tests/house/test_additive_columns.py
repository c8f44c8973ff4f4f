"""Additive migrations break no running release: new columns disturb neither a route nor a command."""

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path
from secrets import token_urlsafe
from typing import Any
from uuid import UUID

import httpx2
import pytest
import typer

from app.cli.commands import cli
from app.storage.postgres.tables import metadata
from tests.support.clients import GRANT, ServiceClient, asserting, new_signer, proof
from tests.support.database import Sql, connect
from tests.support.feeds import listening
from tests.support.people import PASSWORD, bearing, cookie_of, new_person, with_cookie
from tests.support.servers import ROOT, TEST_SECRET, PrivateServers, Service, app, migrate
from tests.support.waiting import client_of

COLUMNS = """
SELECT table_name::text, array_agg(column_name::text) AS names FROM information_schema.columns
WHERE table_schema = 'public' GROUP BY table_name
"""
NEW_PASSWORD = "another horse and its battery"
# `serve` is the process that answers the routes. `dev` starts servers of its own, so no test can prepare its
# tables; it does nothing there but what `migrate`, `users create` and `serve` do.
ELSEWHERE = {"serve", "dev"}
STATEMENT_ON_EVERY_COLUMN = re.compile(r"\b(?:SELECT|DISTINCT|RETURNING)\s+\*|,\s*\*|\w\.\*", re.IGNORECASE)


async def add_columns(sql: Sql) -> None:
    """Add to every table the columns of all others, and two that no table had before.

    A name in two tables makes a join ambiguous, unless the statement says whose column it means.
    """
    tables = {row["table_name"]: row["names"] for row in await sql.fetch(COLUMNS)}
    every = {name for names in tables.values() for name in names}
    for table, names in tables.items():
        for name in every - set(names):
            await sql.execute(f'ALTER TABLE "{table}" ADD COLUMN "{name}" text')
        await sql.execute(f'ALTER TABLE "{table}" ADD COLUMN nullable_one text')
        await sql.execute(f"ALTER TABLE \"{table}\" ADD COLUMN filled_one text NOT NULL DEFAULT 'filled'")


class Walk:
    """Requests and commands that must succeed; it keeps which routes and commands they were."""

    def __init__(self, client: httpx2.AsyncClient, environment: dict[str, str]) -> None:
        self.routes: set[str] = set()
        self.commands: set[str] = set()
        self._client = client
        self._environment = environment

    async def request(
        self, route: str, *, status: int = 200, headers: dict[str, str] | None = None, **parts: Any
    ) -> httpx2.Response:
        """Ask a route, whose path takes the ``parts`` that it names; the others are the body, or its form."""
        method, path = route.split()
        body = {name: value for name, value in parts.items() if f"{{{name}}}" not in path}
        sent = {"data": body.pop("form")} if "form" in body else {"json": body or None}
        answer = await self._client.request(method, path.format(**parts), headers=headers, **sent)
        assert answer.status_code == status, f"{route}: {answer.status_code} {answer.text}"
        self.routes.add(route)
        return answer

    async def listen(self, token: str) -> None:
        """Listen to the feed until it is ready."""
        async with listening(self._client, token) as heard:
            assert (await heard.event()).name == "ready"
        self.routes.add("GET /revocations")

    def run(self, command: str, *arguments: str, given: str = "", **environment: str) -> str:
        """Run a command, and return what it prints."""
        done = app(
            *command.split(), *arguments, environment=self._environment | environment, given=given + "\n"
        )
        assert done.returncode == 0, f"{command}: {done.stdout} {done.stderr}"
        self.commands.add(command)
        return done.stdout


async def test_new_columns_in_every_table_disturb_no_route_and_no_command(
    private_servers: PrivateServers, tmp_path: Path
) -> None:
    environment = private_servers.environment
    migrate(environment)
    sql = await connect(environment["AUTH_DATABASE_URL"])
    await add_columns(sql)
    with Service(environment, tmp_path) as service:
        async with client_of(service) as client:
            walk = Walk(client, environment)
            await walk_routes(walk, sql)
            await walk_clients(walk, tmp_path)
            await walk_commands(walk, sql)
            await walk.request("GET /status")
            await walk.request("GET /status/{number}", number="0")
            document = (await client.get("/openapi.json")).json()
    await sql.close()
    assert walk.routes == {
        f"{method.upper()} {path}" for path, methods in document["paths"].items() for method in methods
    }
    assert walk.commands == set(leaves(typer.main.get_command(cli))) - ELSEWHERE


async def walk_routes(walk: Walk, sql: Sql) -> None:
    for path in ("jwks.json", "openid-configuration", "oauth-authorization-server"):
        await walk.request(f"GET /.well-known/{path}")
    for path in ("livez", "readyz"):
        await walk.request(f"GET /{path}")
    person = await new_person(sql, "editor")
    credentials: dict[str, Any] = {"email": person.email, "password": PASSWORD}

    native = (await walk.request("POST /login", client="native", **credentials)).json()
    successor = (await walk.request("POST /refresh", refresh_token=native["refresh_token"])).json()
    # The retry of a refresh reads the session, where the refresh itself only changes it.
    retried = (await walk.request("POST /refresh", refresh_token=native["refresh_token"])).json()
    assert retried["refresh_token"] == successor["refresh_token"]
    held = bearing(successor["access_token"])

    browser = await walk.request("POST /login", client="browser", **credentials)
    refreshed = await walk.request("POST /refresh", headers=with_cookie(cookie_of(browser)))
    sessions = (await walk.request("GET /sessions", headers=held)).json()["sessions"]
    other = next(session["id"] for session in sessions if not session["current"])
    await walk.request("DELETE /sessions/{session_id}", session_id=other, headers=held, status=204)
    await walk.request("POST /logout", headers=with_cookie(cookie_of(refreshed)), status=204)

    account = (await walk.request("GET /me", headers=held)).json()
    assert (await walk.request("GET /me/activity", headers=held)).json()["events"]
    assert (await walk.request("GET /verify", headers=held)).headers["x-auth-roles"] == "editor"
    assert (account["email"], account["roles"]) == (person.email, ["editor"])
    activity = (await walk.request("GET /me/activity", headers=held)).json()
    assert activity["events"][0]["kind"] == "session.ended"
    passwords: dict[str, Any] = {"current_password": PASSWORD, "new_password": NEW_PASSWORD}
    changed = (await walk.request("POST /password", headers=held, **passwords)).json()
    await walk.request("POST /logout/all", headers=bearing(changed["access_token"]), status=204)


async def walk_commands(walk: Walk, sql: Sql) -> None:
    walk.run("migrate")
    walk.run("check-config")
    walk.run("users create", "new@example.com", "--role", "editor", "--password-stdin", given=PASSWORD)
    walk.run("users set-password", "new@example.com", "--password-stdin", given=NEW_PASSWORD)
    walk.run("users roles", "new@example.com", "reader")
    walk.run("users disable", "new@example.com")
    walk.run("users enable", "new@example.com")
    walk.run("users unlock", "new@example.com")
    assert "roles: reader" in walk.run("users show", "new@example.com")
    assert "new@example.com" in walk.run("users list")
    walk.run("users delete", "new@example.com", "--yes")

    email = (await new_person(sql)).email
    for account in ("--account", email), ("--all", "--yes"):
        credentials: dict[str, Any] = {"email": email, "password": PASSWORD}
        await walk.request("POST /login", client="native", **credentials)
        assert "\tnative\t" in walk.run("sessions list", email)
        assert walk.run("sessions revoke", *account) == "1 session ended\n"
    await sql.execute("INSERT INTO revocations (id, expires_at) VALUES ('old', now() - interval '1 hour')")
    assert walk.run("purge") == "1 row deleted\n"

    kinds = {event["kind"] for event in json.loads(walk.run("events list", "--json"))}
    assert {"login.succeeded", "password.changed", "account.deleted", "session.ended"} <= kinds
    # It ends at once, because no event of that time can still be on its way.
    await sql.execute("INSERT INTO events (at, kind) VALUES (now() - interval '1 hour', 'login.failed')")
    assert "login.failed" in walk.run("events tail", "--until", "PT1M")

    walk.run("keys rotate", "--now")
    keys = json.loads(walk.run("keys list", "--json"))
    walk.run("keys retire", next(key["kid"] for key in keys if key["state"] == "verifying"), "--yes")
    resealed = walk.run("keys reseal", AUTH_SECRET_KEYS=f"{token_urlsafe(32)},{TEST_SECRET}")
    assert resealed == "2 keys resealed\n"


async def walk_clients(walk: Walk, folder: Path) -> None:
    key, file = new_signer(), folder / "keys.json"
    file.write_text(json.dumps({"keys": [key.jwk]}))
    walk.run("clients create", "orders", "--scope", "introspect")
    created = json.loads(walk.run("clients create", "hears", "--scope", "revocations:read", "--json"))
    hears = ServiceClient(UUID(created["client_id"]), "hears", created["client_secret"])
    listens = await walk.request("POST /token", headers=proof(hears), form=GRANT)
    await walk.listen(listens.json()["access_token"])
    rotated = json.loads(walk.run("clients rotate", "orders", "--json"))
    walk.run("clients rotate", "orders", "--jwks", str(file))
    walk.run("clients scopes", "orders", "introspect", "read")
    orders = ServiceClient(UUID(rotated["client_id"]), "orders", rotated["client_secret"])
    issued = await walk.request("POST /token", headers=proof(orders), form=GRANT)
    token = issued.json()["access_token"]
    # With an assertion, the client reads and writes another table.
    form = GRANT | asserting(key.assertion(orders))
    assert (await walk.request("POST /token", form=form)).json()["scope"] == "introspect read"
    asked = await walk.request("POST /introspect", headers=bearing(token), form={"token": token})
    assert asked.json()["client_id"] == str(orders.id)
    await walk.request("POST /revoke", headers=proof(orders), form={"token": token})
    asked = await walk.request("POST /introspect", headers=proof(orders), form={"token": token})
    assert asked.json() == {"active": False}
    assert "orders" in walk.run("clients list")
    assert "scopes: introspect read" in walk.run("clients show", "orders")
    walk.run("clients delete", "orders", "--yes")


def leaves(command: Any, *names: str) -> Iterator[str]:
    """The commands below a group, each by the words that call it."""
    groups = getattr(command, "commands", None)
    if groups is None:
        yield " ".join(names)
        return
    for name, child in groups.items():
        yield from leaves(child, *names, name)


def test_statements_and_the_objects_made_of_their_rows_name_every_column() -> None:
    places = [
        f"{path.relative_to(ROOT)}:{line}"
        for path in (ROOT / "app").rglob("*.py")
        if {"postgres", "features"} & set(path.relative_to(ROOT).parts)
        for line in unnamed_columns(path.read_text())
    ]
    assert places == []


@pytest.mark.parametrize(
    "source",
    [
        '"SELECT * FROM accounts"',
        '"SELECT id, * FROM accounts"',
        '"SELECT a.*, s.id FROM accounts AS a"',
        'f"SELECT {alias}.* FROM accounts"',
        '"DELETE FROM accounts RETURNING *"',
        "Account(**row)",
        "Account(**{**row, 'roles': ()})",
        "Account(*row)",
        "select(accounts)",
        "update(accounts).returning(accounts)",
    ],
)
def test_a_statement_or_object_that_takes_every_column_is_found(source: str) -> None:
    assert list(unnamed_columns(source)) == [1]


@pytest.mark.parametrize(
    "source", ['"SELECT count(*) FROM accounts"', "Account(id=row['id'])", "select(accounts.c.id)", "f(*row)"]
)
def test_a_statement_or_object_that_names_its_columns_is_accepted(source: str) -> None:
    assert list(unnamed_columns(source)) == []


def unnamed_columns(source: str) -> Iterator[int]:
    """The lines on which a statement, or an object that is made of its row, takes every column there is."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.JoinedStr):
            parts = (str(part.value) if isinstance(part, ast.Constant) else "x" for part in node.values)
            found = STATEMENT_ON_EVERY_COLUMN.search("".join(parts)) is not None
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            found = STATEMENT_ON_EVERY_COLUMN.search(node.value) is not None
        else:
            found = isinstance(node, ast.Call) and _takes_every_column(node)
        if found and isinstance(node, ast.expr):
            yield node.lineno


def _takes_every_column(call: ast.Call) -> bool:
    name = ast.unparse(call.func).rpartition(".")[2]
    if name in {"select", "returning"}:
        return any(isinstance(part, ast.Name) and part.id in metadata.tables for part in call.args)
    # Only a class has a capital letter.
    is_unpacked = any(isinstance(part, ast.Starred) for part in call.args) or any(
        keyword.arg is None for keyword in call.keywords
    )
    return name[:1].isupper() and is_unpacked
