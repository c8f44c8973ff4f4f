"""Checks of the servers that the settings name: Postgres, the keys in it, and Redis."""

from collections.abc import Iterable
from datetime import timedelta

from app.cli.doctor import accounts, keys, passwords, postgres, redis
from app.cli.doctor.findings import Finding, note, problem
from app.domain.clock import Clock
from app.domain.refusals import Unavailable
from app.storage.postgres import migrations
from app.storage.postgres.outages import Misconfigured
from app.wiring import Service


async def check_servers(service: Service, leeway: timedelta, clock: Clock) -> list[Finding]:
    """Return the findings. A server that does not answer is one, and the other server is still checked."""
    findings: list[Finding] = []
    trouble = None
    try:
        findings += await _check_postgres(service, leeway, clock)
        revision = await migrations.revision(service.database)
        findings.append(postgres.check_tables(revision, migrations.known()))
        stored = [key for key, _ in await service.operator_keys.all()]
        findings += keys.check_stored_keys(stored, await service.operator_keys.unopenable())
        findings.append(passwords.check_hashes(await service.password_hashes.count()))
        findings += accounts.check_addresses(await service.accounts.unreachable())
        trouble = await service.revocations.fill()
    except Misconfigured as error:
        findings += _unreadable(error.line)
    except Unavailable as error:
        findings += _unreadable(
            f"Postgres does not answer, or is read-only ({error.reason}). Every request fails except "
            "those for the key set. Check that it runs and that AUTH_DATABASE_URL is right."
        )
    return [*findings, redis.check_server(await service.revocations.index.describe(), trouble)]


async def _check_postgres(service: Service, leeway: timedelta, clock: Clock) -> list[Finding]:
    # The first query includes the time of connecting, which would blur the comparison of the clocks.
    await service.database.ping()
    asked = clock()
    server = await service.database.describe()
    return [
        *postgres.check_server(server),
        postgres.check_clock(asked, server.now, clock(), leeway),
    ]


def _unreadable(reason: str) -> Iterable[Finding]:
    sentence = reason[0].upper() + reason[1:]
    return problem("postgres", sentence), note("keys", "Not checked, because Postgres cannot be read.")
