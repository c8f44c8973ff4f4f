"""The ASGI entry: ``uvicorn --factory app.main:create_app``."""

import gc
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI

from app import __version__
from app.http.application import build
from app.http.origins import Origins
from app.logs import configure_logs
from app.settings import Settings, load
from app.wiring import maintained, opened


def create_app() -> FastAPI:
    """The application, with its settings from the environment."""
    settings = load(Settings)
    configure_logs(settings.log_format)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[Mapping[str, Any]]:
        async with opened(settings) as service, maintained(service):
            # What is loaded by now stays; looking through it for garbage would hold up all requests.
            gc.collect()
            gc.freeze()
            yield {"use_cases": service.use_cases}

    origins = Origins(settings.issuer, settings.allowed_origins)
    return build(lifespan, origins, issuer=settings.issuer, version=__version__)
