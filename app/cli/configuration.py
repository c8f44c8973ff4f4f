"""``check-config``: what the settings name, looked at."""

import typer

from app.cli.running import run
from app.wiring import Service


def check_config() -> None:
    """Look at Postgres, its tables and Redis; what is wrong is told with its mend, and is exit status 1."""
    trouble = run(_look)
    print("settings: ok")
    print("postgres: ok")
    print(f"redis: {trouble or 'ok'}")
    if trouble:
        raise typer.Exit(1)


async def _look(service: Service) -> str | None:
    """What is wrong with Redis; a Postgres that does not answer, or lacks its tables, raises."""
    await service.operated_keys.all()
    await service.revocations.reindex()
    return service.revocations.trouble
