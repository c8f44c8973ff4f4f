"""A floor as a process: ``python -m bench.floor fastapi PORT``, on the servers that AUTH_* names."""

import asyncio
import sys
from collections.abc import Callable
from typing import Any

import asyncpg
import redis.asyncio
import uvicorn
import uvloop
from sqlalchemy import make_url

from app.settings import Settings, load
from bench.floor import with_asgi, with_fastapi
from bench.floor.keys import Keys
from bench.floor.work import Work

APPLICATIONS: dict[str, Callable[[Work], Callable[..., Any]]] = {
    "fastapi": with_fastapi.application,
    "asgi": with_asgi.application,
}


async def serve(kind: str, port: int) -> None:
    """Serve until a signal, as the service does: on uvloop and httptools, without uvicorn's access log."""
    settings = load(Settings)
    url = make_url(settings.database_url).set(drivername="postgresql").render_as_string(hide_password=False)
    async with (
        asyncpg.create_pool(url, min_size=10, max_size=10) as pool,
        redis.asyncio.Redis.from_url(settings.redis_url) as client,
    ):
        keys = await Keys.of(pool, settings.secret_keys)
        app = APPLICATIONS[kind](Work(pool, client, keys, settings.issuer))
        config = uvicorn.Config(
            app,
            port=port,
            http="httptools",
            lifespan="off",
            log_level="warning",
            access_log=False,
            server_header=False,
            timeout_keep_alive=75,
        )
        await uvicorn.Server(config).serve()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(sys.argv[1], int(sys.argv[2])))
