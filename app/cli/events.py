"""``events``: the security events, read by an operator."""

import asyncio
import json
import signal
from contextlib import suppress
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

import typer

from app.cli.running import Json, run
from app.domain.events import EventFilter, EventKind, RecordedEvent
from app.settings.values import duration
from app.wiring import Service, utc_now

commands = typer.Typer(help="Security events: sign-ins, ended sessions, changes.", no_args_is_help=True)


def moment(text: str) -> datetime:
    """A date and time of ISO 8601, in UTC unless it says otherwise, or a duration back from now."""
    with suppress(ValueError):
        found = datetime.fromisoformat(text)
        return found if found.tzinfo else found.replace(tzinfo=UTC)
    try:
        return utc_now() - duration(text)
    except (ValueError, OverflowError):
        raise typer.BadParameter(
            "is neither a moment like 2026-01-31T12:00:00Z nor a duration like PT1H"
        ) from None


Account = Annotated[
    str | None, typer.Option(help="Of this account: its e-mail address, or its id, which outlives it.")
]
Kinds = Annotated[list[EventKind] | None, typer.Option("--kind", help="Of this kind; may be given again.")]
Since = Annotated[
    datetime | None,
    typer.Option(parser=moment, metavar="WHEN", help="From then on: ISO 8601, or a duration back from now."),
]
Until = Annotated[datetime | None, typer.Option(parser=moment, metavar="WHEN", help="Before then.")]


@commands.command("list")
def list_events(
    account: Account = None,
    kinds: Kinds = None,
    since: Since = None,
    until: Until = None,
    limit: Annotated[int, typer.Option(min=1, max=1_000_000, help="At most so many, the last ones.")] = 100,
    *,
    as_json: Json = False,
) -> None:
    """List the last events, the newest one last."""

    async def newest(service: Service) -> list[RecordedEvent]:
        wanted = EventFilter(await _id(service, account), tuple(kinds or ()), since, until)
        return await service.events.newest(wanted, limit)

    listed = run(newest)
    if as_json:
        print(json.dumps([_fields(event) for event in listed], indent=2))
        return
    for event in listed:
        print(_line(event))


@commands.command()
def tail(
    account: Account = None,
    kinds: Kinds = None,
    since: Since = None,
    until: Until = None,
    *,
    as_json: Json = False,
) -> None:
    """Show the last ten events, and then each as it comes, until Ctrl-C or ``--until``."""

    async def follow(service: Service) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - tells mypy that this runs in one
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
        wanted = EventFilter(await _id(service, account), tuple(kinds or ()), since, until)
        async for event in service.events.follow(wanted, pause):
            line = json.dumps(_fields(event)) if as_json else _line(event)
            print(line, flush=True)

    with suppress(asyncio.CancelledError):
        run(follow)


async def pause() -> None:
    """Wait until it is worth another look."""
    await asyncio.sleep(1)


async def _id(service: Service, account: str | None) -> UUID | None:
    return None if account is None else await service.events.account(account)


def _fields(event: RecordedEvent) -> dict[str, Any]:
    return {
        "id": event.id,
        "at": event.at.isoformat(),
        "kind": event.kind,
        "actor": event.actor,
        "actor_id": event.actor_id,
        "reason": event.reason,
        "account_id": event.account_id and str(event.account_id),
        "session_id": event.session_id and str(event.session_id),
        "address": event.address,
        "request_id": event.request_id,
        "details": event.details,
    }


def _line(event: RecordedEvent) -> str:
    named = {
        "actor": event.actor,
        "reason": event.reason,
        "account": event.account_id,
        "session": event.session_id,
        "address": event.address,
        "request": event.request_id,
        **event.details,
    }
    words = [f"{name}={value}" for name, value in named.items() if value is not None]
    line = "\t".join((f"{event.at:%Y-%m-%dT%H:%M:%SZ}", event.kind, *words))
    # Nothing that came from outside moves the cursor of whoever reads it.
    return "".join(letter if letter.isprintable() or letter == "\t" else "?" for letter in line)
