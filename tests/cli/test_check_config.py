"""``check-config`` looks at what the settings name, and says what is wrong with it."""

import asyncio
import json
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from secrets import token_urlsafe

import pytest
import redis

from app.cli.doctor import environment as doctor
from app.cli.doctor import servers
from app.cli.doctor.findings import Finding
from app.domain.clock import Clock
from app.settings import Settings, load
from app.wiring import utc_now
from tests.support.database import connect
from tests.support.races import inside, parts
from tests.support.servers import PrivateServers, app, migrate

LEEWAY = timedelta(seconds=30)


async def look(environment: Mapping[str, str], clock: Clock = utc_now) -> dict[str, list[str]]:
    """What is found of the servers: of each subject, levels and texts."""
    async with parts(environment) as service:
        return by_subject(await servers.looked_at(service, LEEWAY, clock))


def ahead(seconds: int) -> Clock:
    return lambda: utc_now() + timedelta(seconds=seconds)


def by_subject(findings: list[Finding]) -> dict[str, list[str]]:
    said: dict[str, list[str]] = {}
    for finding in findings:
        said.setdefault(finding.subject, []).append(f"{finding.level} {finding.text}")
    return said


async def test_servers_are_looked_at_and_none_that_is_down_hides_another(
    private_servers: PrivateServers,
) -> None:
    environment = private_servers.environment
    said = await look(environment)
    assert said["postgres"][-1] == "problem The tables are missing or too old; run: python -m app migrate"
    assert said["keys"] == ["note Not looked at, since Postgres cannot be read."]
    assert said["redis"][0].startswith("ok Valkey ")

    await asyncio.to_thread(migrate, environment)
    assert (await look(environment))["keys"][0].startswith("note There is no signing key yet")
    async with inside(environment):
        pass
    said = await look(environment)
    # The servers of tests are not made to outlive a crash of the machine.
    assert [text.split()[0] for text in said["postgres"]] == ["ok", "warning", "ok", "ok"]
    assert said["postgres"][1].startswith("warning fsync is off")
    assert [text.split()[0] for text in said["keys"]] == ["ok", "ok"]
    assert said["redis"][0].endswith("(maxmemory-policy noeviction): it can answer checks of tokens.")

    stranger = await look(environment | {"AUTH_SECRET_KEYS": token_urlsafe(32)})
    assert [text.split()[0] for text in stranger["keys"]] == ["problem", "problem"]
    for apart, level in ((20, "warning"), (-45, "problem")):
        said = await look(environment, ahead(apart))
        assert any(text.startswith(f"{level} Its clock and this machine's") for text in said["postgres"])

    sql = await connect(environment["AUTH_DATABASE_URL"])
    await sql.execute("UPDATE alembic_version SET version_num = 'later'")
    assert (await look(environment))["postgres"][-1].startswith("warning The tables are of revision later")
    await sql.execute("DELETE FROM alembic_version")
    assert (await look(environment))["postgres"][-1].startswith("problem The tables are missing")
    own = await sql.fetchval("SELECT current_database()")
    await sql.execute(f"ALTER DATABASE {own} SET synchronous_commit = off")
    assert any("synchronous_commit is off" in text for text in (await look(environment))["postgres"])
    await sql.execute(f"ALTER DATABASE {own} SET default_transaction_read_only = on")
    assert "is read-only (None of the hosts match" in (await look(environment))["postgres"][0]
    await sql.execute(f"ALTER DATABASE {own} RESET default_transaction_read_only")
    await sql.close()

    with redis.Redis.from_url(private_servers.valkey.url) as operator:
        operator.config_set("maxmemory-policy", "allkeys-lru")
    assert (await look(environment))["redis"][0].startswith("problem Redis may evict entries")
    private_servers.valkey.kill()
    assert (await look(environment))["redis"][0].startswith("problem Redis does not answer")
    private_servers.postgres.kill()

    done = await asyncio.to_thread(app, "check-config", "--json", environment=environment)
    told = [(found["level"], found["subject"], found["text"]) for found in json.loads(done.stdout)]
    assert done.returncode == 1
    assert {subject for level, subject, _ in told if level == "problem"} == {"postgres", "redis"}
    assert any(text.startswith("It does not answer, or is read-only (") for _, _, text in told)
    subjects = ["issuer", "origins", "cookies", "proxies", "tls", "secrets", "lifetimes", "limits"]
    assert list(dict.fromkeys(subject for _, subject, _ in told)) == [*subjects, "postgres", "keys", "redis"]


async def test_a_service_on_this_machine_has_nothing_that_fails(
    migrated: object, environment: dict[str, str]
) -> None:
    done = await asyncio.to_thread(app, "check-config", environment=environment)
    assert done.returncode == 0, done.stdout
    lines = done.stdout.splitlines()
    assert [lines[0], lines[-1].split(",")[0]] == ["issuer", "0 problems"]


def test_the_environment_is_judged_with_the_files_that_it_names(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    secret = tmp_path / "secret"
    secret.write_text(environment["AUTH_SECRET_KEYS"])
    secret.chmod(0o644)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AUTH_SECRET_KEYS")
    monkeypatch.setenv("AUTH_SECRET_KEYS_FILE", str(secret))
    said = by_subject(list(doctor.judged(load(Settings))))
    assert said["secrets"][1].startswith("warning Every user of this machine can read the file that")
    assert environment["AUTH_SECRET_KEYS"] not in str(said)
