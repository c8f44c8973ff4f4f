"""``sessions``: the operator's commands on sessions; ``purge``."""

import json
from datetime import datetime
from typing import Annotated
from uuid import UUID

import typer

from app.cli.options import Json, Yes, confirm, run
from app.domain.clock import timestamp
from app.domain.sessions import SessionSummary

commands = typer.Typer(help="Sessions.", no_args_is_help=True)


@commands.command("list")
def list_sessions(
    email: Annotated[str, typer.Argument(help="The account's e-mail address.")], *, as_json: Json = False
) -> None:
    """List the active sessions of an account, at most 1000. The most recently used one comes first."""
    sessions = run(lambda service: service.operator_sessions.of(email))
    if as_json:
        fields = [_fields(session) for session in sessions]
        print(json.dumps(fields, indent=2, default=timestamp))
        return
    for session in sessions:
        used = f"{session.last_used_at:%Y-%m-%dT%H:%M:%SZ}"
        agent = _browser(session) or "-"
        print("\t".join((str(session.id), session.client, f"used {used}", session.address or "-", agent)))


@commands.command()
def revoke(
    session_id: Annotated[UUID | None, typer.Argument(help="The id of one session.")] = None,
    account: Annotated[
        str | None, typer.Option(help="End every session of the account with this e-mail address.")
    ] = None,
    *,
    everyone: Annotated[bool, typer.Option("--all", help="End every session of every account.")] = False,
    yes: Yes = False,
) -> None:
    """End sessions and all their access tokens at once."""
    if sum((session_id is not None, account is not None, everyone)) != 1:
        raise typer.BadParameter("name one session, or --account, or --all")
    if session_id is not None:
        ended = run(lambda service: service.operator_sessions.end(session_id))
    elif account is not None:
        ended = run(lambda service: service.operator_sessions.end_of(account))
    else:
        confirm("Sign everyone out of every account?", yes=yes)
        ended = run(lambda service: service.operator_sessions.end_all())
    print(f"{ended} {'session' if ended == 1 else 'sessions'} ended")


def purge() -> None:
    """Delete expired rows. The service does this by itself every ten minutes."""
    deleted = run(lambda service: service.purge())
    print(f"{deleted} {'row' if deleted == 1 else 'rows'} deleted")


def _fields(session: SessionSummary) -> dict[str, str | datetime | None]:
    return {
        "id": str(session.id),
        "client": session.client.value,
        "created_at": session.created_at,
        "last_used_at": session.last_used_at,
        "address": session.address,
        "user_agent": _browser(session),
    }


def _browser(session: SessionSummary) -> str | None:
    from app.http.visitors import in_words

    return in_words(session.user_agent)
