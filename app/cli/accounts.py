"""``users``: the operator's commands on accounts."""

import json
import shlex
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.options import Json, Yes, confirm, run
from app.domain.accounts import Account

if TYPE_CHECKING:
    from app.wiring import Service
from app.domain.clock import timestamp

commands = typer.Typer(help="Accounts.", no_args_is_help=True)

Email = Annotated[str, typer.Argument(help="The account's e-mail address, or its id.")]
PasswordStdin = Annotated[
    bool, typer.Option(help="Read the password from standard input instead of a prompt.")
]


@commands.command()
def create(
    email: Email,
    role: Annotated[
        list[str] | None, typer.Option(help="A role to grant. Repeat the option for more.")
    ] = None,
    *,
    password_stdin: PasswordStdin = False,
) -> None:
    """Add an account."""
    password = _password(from_stdin=password_stdin)
    account = run(lambda service: service.accounts.create(email, password, role or []))
    print(f"{account.email} created, id {account.id}")


@commands.command("list")
def list_accounts(
    search: Annotated[str, typer.Option(metavar="TEXT", help="Only addresses that begin with this.")] = "",
    after: Annotated[
        str, typer.Option(metavar="EMAIL", help="Only addresses after this one: the last one listed before.")
    ] = "",
    limit: Annotated[int, typer.Option(min=1, help="Number of accounts at most.")] = 100,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a line.")] = False,
) -> None:
    """List accounts in the order of their addresses."""

    async def print_accounts(service: "Service") -> None:
        number, last = 0, ""
        async for account in service.accounts.by_address(search, after, limit + 1):
            if number == limit:
                print(f"there are more: add --after {shlex.quote(last)}", file=sys.stderr)
                return
            print(json.dumps(_fields(account)) if as_json else _line(account))
            number, last = number + 1, account.email

    run(print_accounts)


@commands.command()
def show(email: Email, *, as_json: Json = False) -> None:
    """Show one account."""
    fields = _fields(run(lambda service: service.accounts.find(email)))
    if as_json:
        print(json.dumps(fields, indent=2))
        return
    for name, value in fields.items():
        print(f"{name}: {', '.join(value) if isinstance(value, list) else value}")


@commands.command()
def enable(email: Email) -> None:
    """Allow an account to sign in again."""
    run(lambda service: service.accounts.enable(email))
    print(f"{email} enabled")


@commands.command()
def unlock(email: Email) -> None:
    """Allow new devices to sign in to an account again after too many wrong passwords."""
    run(lambda service: service.accounts.unlock(email))
    print(f"{email} unlocked")


@commands.command()
def disable(email: Email) -> None:
    """Refuse an account's sign-in and end its sessions."""
    _report(email, "disabled", run(lambda service: service.accounts.disable(email)))


@commands.command()
def delete(email: Email, *, yes: Yes = False) -> None:
    """Delete an account and end its sessions."""
    confirm(f"Delete {email} permanently?", yes=yes)
    _report(email, "deleted", run(lambda service: service.accounts.delete(email)))


@commands.command()
def roles(
    email: Email,
    role: Annotated[
        list[str] | None,
        typer.Argument(help="All roles of the account from now on. With none, it has no role."),
    ] = None,
) -> None:
    """Replace an account's roles. Removing a role ends the account's sessions."""
    _report(email, "changed", run(lambda service: service.accounts.set_roles(email, role or [])))


@commands.command()
def set_password(email: Email, *, password_stdin: PasswordStdin = False) -> None:
    """Replace an account's password and end its sessions."""
    password = _password(from_stdin=password_stdin)
    _report(email, "changed", run(lambda service: service.accounts.set_password(email, password)))


def _password(*, from_stdin: bool) -> str:
    if from_stdin:
        # Windows PowerShell begins a pipe with a byte order mark.
        return sys.stdin.readline().rstrip("\r\n").removeprefix("\ufeff")
    password: str = typer.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    return password


def _fields(account: Account) -> dict[str, str | bool | list[str]]:
    return {
        "id": str(account.id),
        "email": account.email,
        "enabled": account.enabled,
        "roles": list(account.roles),
        "created_at": timestamp(account.created_at),
    }


def _line(account: Account) -> str:
    return "\t".join((account.email, "enabled" if account.enabled else "disabled", ",".join(account.roles)))


def _report(email: str, change: str, ended: int) -> None:
    print(f"{email} {change}; {ended} {'session' if ended == 1 else 'sessions'} ended")
