"""What a service leaves behind contains no token, password, key or secret.

A service of this file's own goes through everything that touches one, on both forms of the log; then its
tables, Postgres's files and log, Redis and its own log are searched.
"""

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2
import pytest
import redis

from tests.support.database import Sql, connect
from tests.support.hostile import FORGED, break_lines, send_secrets_astray
from tests.support.leaks import (
    Trail,
    access_token_needles,
    database_files,
    events,
    private_key_needles,
    redis_contents,
    refresh_token_needles,
    service_secret_needles,
    spellings,
    tables,
)
from tests.support.people import (
    Person,
    bearing,
    cookie_of,
    login,
    marker,
    me,
    new_person,
    refresh,
    with_cookie,
)
from tests.support.servers import PrivateServers, Service, app, migrate, private_pair
from tests.support.waiting import client_of

# One worker walks for all of them.


def operate(trail: Trail, environment: dict[str, str]) -> tuple[str, str]:
    """The operator makes an account and changes its password; its address and password."""
    email = f"{marker()}@example.com"
    first, second, short = trail.password(), trail.password(), marker()[:12]
    trail.passwords.append(short)
    trail.emails.append(email)
    said = []
    for command, given, status in (
        (("create", email, "--password-stdin"), first, 0),
        (("set-password", email, "--password-stdin"), second, 0),
        (("set-password", email, "--password-stdin"), short, 1),
    ):
        done = app("users", *command, environment=environment, given=f"{given}\n")
        assert done.returncode == status, done.stderr
        said.append(done.stdout + done.stderr)
    trail.places["the commands' output"] = "".join(said).encode()
    return email, second


async def sign_in_and_out(trail: Trail, client: httpx2.AsyncClient, sql: Sql, email: str, right: str) -> None:
    """Logins good and bad, refreshes, a reuse and a logout."""
    disabled = await new_person(sql)
    await sql.execute("UPDATE accounts SET enabled = false WHERE id = $1", disabled.id)
    trail.emails.append(disabled.email)
    person = Person(disabled.id, email)
    for somebody in (person, Person(person.id, f"{marker()}@example.com"), disabled):
        trail.emails.append(somebody.email)
        trail.took(await login(client, somebody, password=trail.password()))
    trail.took(await login(client, disabled))

    native = trail.took(await login(client, person, password=right)).json()
    body = {"refresh_token": native["refresh_token"]}
    for key, status in ((marker(), 200), (marker(), 200), (f"{marker()}!", 422)):
        trail.idempotency_keys.append(key)
        answer = trail.took(await client.post("/refresh", json=body, headers={"Idempotency-Key": key}))
        assert answer.status_code == status
    renewed = trail.took(await refresh(client, native["refresh_token"])).json()
    browser = trail.took(await login(client, person, password=right, kind="browser"))
    trail.took(await client.post("/refresh", headers=with_cookie(cookie_of(browser))))
    for token in (native["access_token"], renewed["access_token"], f"{native['access_token']}x"):
        trail.took(await me(client, token))
    await sql.execute("UPDATE sessions SET superseded_at = ARRAY[superseded_at[1] - interval '1 hour']")
    assert (await refresh(client, native["refresh_token"])).json()["code"] == "refresh_token_reused"
    headers = with_cookie(cookie_of(browser)) | bearing(browser.json()["access_token"])
    change = {"current_password": trail.password(), "new_password": trail.password()}
    trail.took(await client.post("/password", json=change, headers=bearing(browser.json()["access_token"])))
    trail.took(await client.post("/logout", headers=headers))
    trail.took(await me(client, browser.json()["access_token"]))


async def fall_over(
    trail: Trail, pair: PrivateServers, client: httpx2.AsyncClient, email: str, right: str
) -> None:
    """Postgres refuses what nobody expects it to, and dies in the middle of a rotation."""
    sql = await connect(pair.servers.database_url)
    person = Person(await sql.fetchval("SELECT id FROM accounts WHERE email = $1", email), email)
    await sql.execute("ALTER TABLE sessions ADD CONSTRAINT odd CHECK (user_agent <> 'odd') NOT VALID")
    opened = trail.took(await login(client, person, password=right)).json()
    for token in (opened["refresh_token"], None):
        body = {"email": email, "password": right, "client": "native"}
        request = {"refresh_token": token} if token else body
        route = "/refresh" if token else "/login"
        trail.took(await client.post(route, json=request, headers={"User-Agent": "odd"}))

    await sql.execute("BEGIN")
    await sql.execute("SELECT 1 FROM sessions WHERE account_id = $1 FOR UPDATE", person.id)
    rotation = asyncio.create_task(refresh(client, opened["refresh_token"]))
    while await sql.fetchval("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'") == 0:
        assert not rotation.done()
    pair.postgres.kill()
    trail.took(await rotation)
    sql.terminate()
    pair.postgres.start()


async def walk(trail: Trail, pair: PrivateServers, folder: Path, form: str) -> None:
    """All of the above, and then a look at what is left."""
    # The proxy is on this machine, and may forward anything.
    environment = pair.environment | {"AUTH_LOG_FORMAT": form, "AUTH_TRUSTED_PROXIES": "127.0.0.1/32"}
    migrate(environment)
    email, right = operate(trail, environment)
    with Service(environment, folder) as service:
        sql = await connect(pair.servers.database_url)
        async with client_of(service) as client:
            await client.get("/me", headers={"X-Request-ID": trail.planted})
            await sign_in_and_out(trail, client, sql, email, right)
            await send_secrets_astray(trail, client, email)
            await break_lines(service.port, email)
            await sql.close()
            await fall_over(trail, pair, client, email, right)
        service.terminate()
        trail.places["the service's log"] = service.logs().encode()

    sql = await connect(pair.servers.database_url)
    await sql.execute("UPDATE sessions SET user_agent = $1", trail.planted)
    with redis.Redis.from_url(pair.servers.redis_url) as client_of_redis:
        client_of_redis.set("planted", trail.planted)
    trail.places["the tables"] = await tables(sql)
    trail.places["the events"] = await events(sql)
    trail.places["Postgres's files"] = await database_files(sql)
    trail.places["Redis"] = redis_contents(pair.servers.redis_url)
    trail.keys = await private_key_needles(sql)
    await sql.close()


@pytest.fixture(scope="module", params=["json", "console"])
def trail(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Trail:
    trail = Trail()
    with private_pair() as pair, ThreadPoolExecutor(1) as thread:
        # In a thread of its own, because the thread of the tests may have a loop already.
        walking = walk(trail, pair, tmp_path_factory.mktemp("leaks"), request.param)
        thread.submit(asyncio.run, walking).result()
    return trail


def places_of(trail: Trail, needle: bytes) -> set[str]:
    return {place for place, contents in trail.places.items() if needle in contents}


def test_the_walk_met_what_it_was_meant_to_meet(trail: Trail) -> None:
    assert {200, 204, 401, 404, 405, 413, 415, 422, 500, 503} <= trail.statuses
    assert len(set(trail.refresh_tokens)) >= 5
    assert len(set(trail.access_tokens)) >= 5
    assert all(len(contents) > 100 for contents in trail.places.values())


def test_the_search_finds_what_was_planted_in_each_place(trail: Trail) -> None:
    planted = {"the tables", "Postgres's files", "Redis", "the service's log"}
    assert places_of(trail, trail.planted.encode()) == planted


@pytest.mark.requirement("R5")
def test_no_refresh_token_nor_the_seed_of_one_was_left_behind(trail: Trail) -> None:
    for token in trail.refresh_tokens:
        for needle in refresh_token_needles(token):
            assert places_of(trail, needle) == set()


@pytest.mark.requirement("R4")
def test_no_idempotency_key_was_left_behind(trail: Trail) -> None:
    assert len(trail.idempotency_keys) == 3
    for key in trail.idempotency_keys:
        for needle in spellings(key.encode()):
            assert places_of(trail, needle) == set()


@pytest.mark.requirement("E5")
def test_no_access_token_nor_the_signature_of_one_was_left_behind(trail: Trail) -> None:
    for token in trail.access_tokens:
        for needle in access_token_needles(token):
            assert places_of(trail, needle) == set()


@pytest.mark.requirement("E5")
def test_no_password_was_left_behind(trail: Trail) -> None:
    for password in trail.passwords:
        # Without its white space, for the part of it that a form or a log might keep whole.
        assert places_of(trail, password.removeprefix("pass ").encode()) == set()


@pytest.mark.requirement("K5")
def test_neither_a_private_key_nor_the_services_secret_was_left_behind(trail: Trail) -> None:
    assert len(trail.keys) > 100
    for needle in [*trail.keys, *service_secret_needles()]:
        assert places_of(trail, needle) == set()


@pytest.mark.requirement("E5")
def test_neither_the_log_nor_an_event_names_an_e_mail_address(trail: Trail) -> None:
    for email in trail.emails:
        assert places_of(trail, email.encode()) <= {"the tables", "Postgres's files", "the commands' output"}


def test_no_client_puts_a_word_of_its_own_into_an_event(trail: Trail) -> None:
    kept = trail.places["the events"].decode()
    assert FORGED not in kept
    assert all(letter.isprintable() for letter in kept.replace("\n", ""))
    kinds = {line.split()[0] for line in kept.splitlines()}
    assert kinds == {
        *("account.created", "password.changed", "key.created", "login.succeeded", "login.failed"),
        *("session.ended", "session.reuse_detected", "password.change_failed"),
    }


@pytest.mark.requirement("E5")
def test_no_client_can_forge_a_line_of_the_log(trail: Trail) -> None:
    log = trail.places["the service's log"]
    assert not any(FORGED.encode() in line for line in log.splitlines())
    assert b"\x1b" not in log
    assert b"\r" not in log
    if log.startswith(b"{"):
        lines = [json.loads(line) for line in log.rstrip(b"\n").split(b"\n")]
        assert all(isinstance(line, dict) and line["event"] and line["timestamp"] for line in lines)
        assert {"http.request", "http.unhandled", "login.succeeded", "login.failed"} <= {
            line["event"] for line in lines
        }
