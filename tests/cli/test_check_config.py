"""``check-config`` checks the settings and the servers that they name."""

import asyncio
import json
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from secrets import token_urlsafe

import pytest
import redis

from app.cli.doctor.environment import check_settings
from app.cli.doctor.findings import Finding
from app.cli.doctor.servers import check_servers
from app.domain.clock import Clock
from app.settings import Settings, load
from app.wiring import utc_now
from tests.support.database import connect
from tests.support.races import inside, parts
from tests.support.servers import PrivateServers, app, migrate

LEEWAY = timedelta(seconds=30)


async def check(environment: Mapping[str, str], clock: Clock = utc_now) -> dict[str, list[str]]:
    """The levels and texts of the findings about the servers, by subject."""
    async with parts(environment) as service:
        return by_subject(await check_servers(service, LEEWAY, clock))


def ahead(seconds: int) -> Clock:
    return lambda: utc_now() + timedelta(seconds=seconds)


def by_subject(findings: list[Finding]) -> dict[str, list[str]]:
    grouped: dict[str, list[str]] = {}
    for finding in findings:
        grouped.setdefault(finding.subject, []).append(f"{finding.level} {finding.text}")
    return grouped


async def test_every_server_is_checked_even_if_another_one_does_not_answer(
    private_servers: PrivateServers,
) -> None:
    environment = private_servers.environment
    findings = await check(environment)
    assert findings["postgres"][-1].startswith("problem The tables are missing or too old: ")
    assert findings["postgres"][-1].endswith("; run: python -m app migrate")
    assert findings["keys"] == ["note Not checked, because Postgres cannot be read."]
    assert findings["redis"][0].startswith("ok Valkey ")

    await asyncio.to_thread(migrate, environment)
    assert (await check(environment))["keys"][0].startswith("note There is no signing key yet")
    async with inside(environment):
        pass
    findings = await check(environment)
    # The servers of the tests run without fsync.
    assert [text.split()[0] for text in findings["postgres"]] == [
        *("ok", "ok", "ok", "warning", "warning", "ok", "ok"),
    ]
    assert findings["postgres"][2] == "ok The service reaches Postgres without a pooler."
    assert findings["postgres"][3].startswith("warning The role of the service owns the tables")
    assert findings["postgres"][4].startswith("warning fsync is off")
    assert [text.split()[0] for text in findings["keys"]] == ["ok", "ok"]
    assert findings["redis"][0].endswith("(maxmemory-policy noeviction): it can answer checks of tokens.")

    stranger = await check(environment | {"AUTH_SECRET_KEYS": token_urlsafe(32)})
    assert [text.split()[0] for text in stranger["keys"]] == ["problem", "problem"]
    for apart, level in ((20, "warning"), (-45, "problem")):
        findings = await check(environment, ahead(apart))
        assert any(
            text.startswith(f"{level} The clocks of Postgres and of this machine")
            for text in findings["postgres"]
        )

    sql = await connect(environment["AUTH_DATABASE_URL"])
    await sql.execute("UPDATE watchword_alembic_version SET version_num = 'later'")
    assert (await check(environment))["postgres"][-1].startswith("warning The tables have revision later")
    await sql.execute("DELETE FROM watchword_alembic_version")
    assert (await check(environment))["postgres"][-1].startswith("problem The tables are missing")
    own = await sql.fetchval("SELECT current_database()")
    await sql.execute(f"ALTER DATABASE {own} SET synchronous_commit = off")
    assert any("synchronous_commit is off" in text for text in (await check(environment))["postgres"])
    await sql.execute(f"ALTER DATABASE {own} SET default_transaction_read_only = on")
    assert "the server is read-only" in (await check(environment))["postgres"][0]
    await sql.execute(f"ALTER DATABASE {own} RESET default_transaction_read_only")
    await sql.close()

    with redis.Redis.from_url(private_servers.valkey.url) as operator:
        operator.config_set("maxmemory-policy", "allkeys-lru")
    assert (await check(environment))["redis"][0].startswith("problem Redis may evict entries")
    private_servers.valkey.kill()
    assert (await check(environment))["redis"][0].startswith("problem Redis does not answer")
    private_servers.postgres.kill()

    done = await asyncio.to_thread(app, "check-config", "--json", environment=environment)
    printed = [(found["level"], found["subject"], found["text"]) for found in json.loads(done.stdout)]
    assert done.returncode == 1
    assert {subject for level, subject, _ in printed if level == "problem"} == {"postgres", "redis"}
    assert any(text.startswith("Postgres does not answer, or is read-only (") for _, _, text in printed)
    subjects = ["issuer", "origins", "cookies", "proxies", "tls", "secrets", "lifetimes", "limits"]
    assert list(dict.fromkeys(subject for _, subject, _ in printed)) == [
        *subjects,
        "postgres",
        "keys",
        "redis",
    ]


async def test_a_service_on_this_machine_has_no_problem(
    migrated: object, environment: dict[str, str]
) -> None:
    done = await asyncio.to_thread(app, "check-config", environment=environment)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    lines = done.stdout.splitlines()
    assert [lines[0], lines[-1].split(",")[0]] == ["issuer", "0 problems"]


def test_the_files_that_variables_name_are_checked(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    secret = tmp_path / "secret"
    secret.write_text(environment["AUTH_SECRET_KEYS"])
    secret.chmod(0o644)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AUTH_SECRET_KEYS")
    monkeypatch.setenv("AUTH_SECRET_KEYS_FILE", str(secret))
    findings = by_subject(list(check_settings(load(Settings))))
    assert findings["secrets"][1].startswith("warning Every user of this machine can read the file that")
    assert environment["AUTH_SECRET_KEYS"] not in str(findings)
