"""``events``: the operator's commands on security events."""

import json
import signal
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import typer

from app.cli.options import Json, run
from app.domain.clock import timestamp
from app.domain.events import EventFilter, EventKind, RecordedEvent

if TYPE_CHECKING:
    from app.wiring import Service

commands = typer.Typer(help="Security events: sign-ins, ended sessions, changes.", no_args_is_help=True)


def moment(text: str) -> datetime:
    """Parse a date and time of ISO 8601, in UTC unless it has an offset, or a duration back from now."""
    from app.settings.values import duration

    with suppress(ValueError):
        parsed = datetime.fromisoformat(text)
        return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)
    try:
        return datetime.now(UTC) - duration(text)
    except (ValueError, OverflowError):
        raise typer.BadParameter("must be a time like 2026-01-31T12:00:00Z or a duration like PT1H") from None


Account = Annotated[
    str | None,
    typer.Option(help="Only this account: its e-mail address, or its id. The id works after a deletion."),
]
Kinds = Annotated[
    list[EventKind] | None, typer.Option("--kind", help="Only this kind. Repeat the option for more.")
]
Since = Annotated[
    datetime | None,
    typer.Option(
        parser=moment, metavar="WHEN", help="From this time on: ISO 8601, or a duration back from now."
    ),
]
Until = Annotated[datetime | None, typer.Option(parser=moment, metavar="WHEN", help="Before this time.")]


@commands.command("list")
def list_events(
    account: Account = None,
    kinds: Kinds = None,
    since: Since = None,
    until: Until = None,
    limit: Annotated[
        int, typer.Option(min=1, max=10_000, help="Number of events at most, the newest ones.")
    ] = 100,
    *,
    as_json: Json = False,
) -> None:
    """List the newest events. The newest one comes last."""

    async def newest(service: "Service") -> list[RecordedEvent]:
        selection = EventFilter(await _id(service, account), tuple(kinds or ()), since, until)
        return await service.events.newest(selection, limit)

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
    """Print the newest ten events, then each new one, until Ctrl-C or ``--until``."""
    import asyncio

    async def follow(service: "Service") -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - asyncio.run makes a task, which mypy cannot know
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
        selection = EventFilter(await _id(service, account), tuple(kinds or ()), since, until)
        async for event in service.events.follow(selection, pause):
            line = json.dumps(_fields(event)) if as_json else _line(event)
            print(line, flush=True)

    with suppress(asyncio.CancelledError):
        run(follow)


async def pause() -> None:
    """Wait before the next query."""
    import asyncio

    await asyncio.sleep(1)


async def _id(service: "Service", account: str | None) -> UUID | None:
    return None if account is None else await service.events.account(account)


def _fields(event: RecordedEvent) -> dict[str, Any]:
    return {
        "id": event.id,
        "at": timestamp(event.at),
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
    facts = {
        "actor": event.actor,
        "reason": event.reason,
        "account": event.account_id,
        "session": event.session_id,
        "address": event.address,
        "request": event.request_id,
        **event.details,
    }
    words = [f"{name}={value}" for name, value in facts.items() if value is not None]
    line = "\t".join((f"{event.at:%Y-%m-%dT%H:%M:%SZ}", event.kind, *words))
    # Text from clients must not send control characters to the terminal.
    return "".join(letter if letter.isprintable() or letter == "\t" else "?" for letter in line)
