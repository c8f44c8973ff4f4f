"""``keys``: the operator's commands on signing keys."""

import json
from datetime import datetime
from typing import Annotated

import typer

from app.cli.options import Json, Yes, confirm, run
from app.domain.clock import timestamp
from app.domain.keys import KeyState, SigningKey

commands = typer.Typer(help="Signing keys. The service rotates them by itself.", no_args_is_help=True)

_NEXT = {KeyState.STANDBY: "signs from", KeyState.SIGNING: "signs until", KeyState.VERIFYING: "removed at"}


@commands.command("list")
def list_keys(*, as_json: Json = False) -> None:
    """List the keys: their state, since when, and the time of their next automatic step."""
    listed = run(lambda service: service.operator_keys.all())
    if as_json:
        fields = [_fields(key, next_step) for key, next_step in listed]
        print(json.dumps(fields, indent=2, default=timestamp))
        return
    for key, next_step in listed:
        since = key.superseded_at or key.activated_at or key.created_at
        ahead = f"{_NEXT[key.state]} {_moment(next_step)}" if next_step else "until an operator rotates"
        bits = f" {key.kind.rsa_bits}" if key.kind.rsa_bits else ""
        print(f"{key.kid}\t{key.algorithm}{bits}\t{key.state}\tsince {_moment(since)}\t{ahead}")


@commands.command()
def rotate(
    *,
    now: Annotated[
        bool, typer.Option("--now", help="Rotate even if some verifiers may not know the standby yet.")
    ] = False,
) -> None:
    """Let the standby key sign. Tokens of the previous key stay valid."""
    kid = run(lambda service: service.operator_keys.rotate(at_once=now))
    print(f"{kid} signs from now on")


# A kid may begin with a hyphen.
@commands.command(context_settings={"ignore_unknown_options": True})
def retire(kid: Annotated[str, typer.Argument(help="The leaked key.")], *, yes: Yes = False) -> None:
    """Retire a leaked key: remove it from the key set and refuse every access token that it signed."""
    confirm(f"Refuse every access token that {kid} signed?", yes=yes)
    run(lambda service: service.operator_keys.retire(kid))
    print(
        f"{kid} is retired; services that cache the key set may accept its tokens until they fetch it again"
    )


@commands.command()
def reseal() -> None:
    """Seal the private keys under the first secret of AUTH_SECRET_KEYS."""
    resealed = run(lambda service: service.operator_keys.reseal())
    print(f"{resealed} {'key' if resealed == 1 else 'keys'} resealed")


def _fields(key: SigningKey, next_step: datetime | None) -> dict[str, str | int | datetime | None]:
    return {
        "kid": key.kid,
        "algorithm": key.algorithm.value,
        "rsa_bits": key.kind.rsa_bits,
        "state": key.state.value,
        "created_at": key.created_at,
        "activated_at": key.activated_at,
        "superseded_at": key.superseded_at,
        "next_step_at": next_step,
    }


def _moment(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"
