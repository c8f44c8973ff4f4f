"""``clients``: the operator's commands on service clients."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.cli.options import Json, Yes, confirm, run
from app.domain.clock import timestamp

if TYPE_CHECKING:
    from app.features.clients.domain import Client
    from app.features.clients.services.manage import ManageClients, NewCredentials
    from app.wiring import Service

commands = typer.Typer(help="Service clients: other services that get access tokens.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="The client's name, or its id.")]
Jwks = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="A JWK Set with the client's public keys, which it uses instead of a secret; - is stdin.",
    ),
]


def manage(service: "Service") -> "ManageClients":
    """The use case of these commands."""
    from app.wiring.manage_clients import manage_clients

    return manage_clients(service.core)


@commands.command()
def create(
    name: Annotated[str, typer.Argument(help="1 to 64 of a-z, 0-9, _ . -, a letter first.")],
    scope: Annotated[
        list[str] | None, typer.Option(help="A scope to grant. Repeat the option for more.")
    ] = None,
    jwks: Jwks = None,
    *,
    as_json: Json = False,
) -> None:
    """Add a client and print its secret, which is shown this once."""
    keys = _read(jwks)
    created = run(lambda service: manage(service).create(name, scope or [], keys))
    _print_credentials(created, "created", as_json=as_json)


@commands.command("list")
def list_clients(*, as_json: Json = False) -> None:
    """List the clients by name, at most 1000."""
    listed = run(lambda service: manage(service).all())
    if as_json:
        print(json.dumps([_fields(client) for client in listed], indent=2, default=timestamp))
        return
    for client in listed:
        proof = " and ".join(
            word for word, held in (("secret", client.secrets), ("keys", client.keys)) if held
        )
        print("\t".join((client.name, str(client.id), proof, " ".join(client.scopes) or "-")))


@commands.command()
def show(name: Name, *, as_json: Json = False) -> None:
    """Show one client: its scopes, and when each of its secrets was made and last used."""
    fields = _fields(run(lambda service: manage(service).find(name)))
    if as_json:
        print(json.dumps(fields, indent=2, default=timestamp))
        return
    for field in ("id", "name"):
        print(f"{field}: {fields[field]}")
    print(f"scopes: {' '.join(fields['scopes'])}")
    print(f"created_at: {timestamp(fields['created_at'])}")
    for secret in fields["secrets"]:
        used = "never used" if secret["used_at"] is None else f"used {timestamp(secret['used_at'])}"
        print(f"secret: since {timestamp(secret['created_at'])}, {used}")
    for key in fields["keys"]:
        print(f"key: {key['kid']} {key['alg']}")


@commands.command()
def rotate(
    name: Name,
    jwks: Jwks = None,
    *,
    now: Annotated[
        bool, typer.Option("--now", help="Refuse every former secret and key from now on, as after a leak.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Give a client a new secret, or other public keys. The secret before stays valid until the next time."""
    keys = _read(jwks)
    rotated = run(lambda service: manage(service).rotate(name, keys, at_once=now))
    _print_credentials(rotated, "rotated", as_json=as_json)


@commands.command()
def scopes(
    name: Name,
    scope: Annotated[
        list[str] | None,
        typer.Argument(help="All scopes of the client from now on. With none, it gets no more tokens."),
    ] = None,
) -> None:
    """Replace a client's scopes. Tokens that it has keep theirs until they expire."""
    run(lambda service: manage(service).set_scopes(name, scope or []))
    print(f"{name} changed")


@commands.command()
def delete(name: Name, *, yes: Yes = False) -> None:
    """Delete a client and refuse its access tokens."""
    confirm(f"Delete the client {name} permanently?", yes=yes)
    run(lambda service: manage(service).delete(name))
    print(f"{name} deleted; services that check tokens alone accept its tokens until they expire")


def _read(file: Path | None) -> str | None:
    if file is None:
        return None
    if str(file) == "-":
        return sys.stdin.read()
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise typer.BadParameter(f"{file}: {reason}", param_hint="--jwks") from None


def _print_credentials(client: "NewCredentials", change: str, *, as_json: bool) -> None:
    if as_json:
        fields = {"client_id": str(client.id), "name": client.name}
        if client.secret is not None:
            fields["client_secret"] = client.secret
        print(json.dumps(fields, indent=2))
        return
    print(f"{client.name} {change}, id {client.id}")
    if client.secret is not None:
        print(client.secret)
        print("The secret is shown this once: only its hash is stored.", file=sys.stderr)


def _fields(client: "Client") -> dict[str, Any]:
    return {
        "id": str(client.id),
        "name": client.name,
        "scopes": list(client.scopes),
        "created_at": client.created_at,
        "secrets": [{"created_at": each.created_at, "used_at": each.used_at} for each in client.secrets],
        "keys": [{"kid": key["kid"], "alg": key["alg"]} for key in client.keys],
    }
