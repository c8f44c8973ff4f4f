"""Postgres, the keys in it, and Redis, asked for what has to be known of them."""

from collections.abc import Iterable
from datetime import timedelta

from app.cli.doctor import storage
from app.cli.doctor.findings import Finding, note, problem
from app.domain.clock import Clock
from app.domain.refusals import Refused
from app.storage.postgres import migrations
from app.storage.postgres.outages import Misconfigured
from app.wiring import Service


async def looked_at(service: Service, leeway: timedelta, clock: Clock) -> list[Finding]:
    """The findings; a server that does not answer is one, and the others are looked at all the same."""
    found: list[Finding] = []
    trouble = None
    try:
        found += await _postgres(service, leeway, clock)
        found.append(storage.tables(await migrations.revision(service.database), migrations.known()))
        signing = [key for key, _ in await service.operated_keys.all()]
        found += storage.keys(signing, await service.operated_keys.unopenable())
        await service.revocations.reindex()
        trouble = service.revocations.trouble
    except Misconfigured as error:
        found += _unread(error.mend)
    except Refused as refused:
        found += _unread(
            f"It does not answer, or is read-only ({_reason(refused)}): every request but those for the key "
            "set fails. Is it running, and is AUTH_DATABASE_URL right?"
        )
    return [*found, storage.redis(await service.revocations.described(), trouble)]


async def _postgres(service: Service, leeway: timedelta, clock: Clock) -> list[Finding]:
    # The first question takes as long as connecting does, and would blur the clocks.
    await service.database.ping()
    asked = clock()
    server = await service.database.describe()
    return [*storage.postgres(server), storage.clock(asked, server.now, clock(), leeway)]


def _unread(reason: str) -> Iterable[Finding]:
    sentence = reason[0].upper() + reason[1:]
    return problem("postgres", sentence), note("keys", "Not looked at, since Postgres cannot be read.")


def _reason(refused: Refused) -> str:
    cause = refused.__cause__
    return (str(cause).splitlines() or [type(cause).__name__])[0]
