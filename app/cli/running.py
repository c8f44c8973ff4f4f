"""What the operator's commands share: a service without its server, and output for people or programs."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from typing import Annotated, TypeVar

import typer

from app.logs import configure_logs
from app.settings import Settings, load
from app.wiring import Service, open_service

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]

_T = TypeVar("_T")


def run(command: Callable[[Service], Awaitable[_T]]) -> _T:
    """Carry out a command on the service's parts."""

    async def carry_out() -> _T:
        settings = load(Settings)
        # Standard output is for the answer.
        configure_logs(settings.log_format, sys.stderr)
        async with open_service(settings) as service:
            return await command(service)

    return asyncio.run(carry_out())
