"""The ASGI entry: ``uvicorn --factory app.main:create_app``."""

import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from app import __version__
from app.http.application import build, core_routes
from app.http.origins import Origins
from app.logs import configure_logs
from app.settings import Settings, load
from app.wiring import maintained, open_service


def create_app() -> FastAPI:
    """The application, with its settings from the environment."""
    settings = load(Settings)
    configure_logs(settings.log_format)
    service = open_service(settings)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with service, maintained(service.jobs):
            # Everything loaded by now stays. Searching it for garbage would delay all requests.
            gc.collect()
            gc.freeze()
            yield

    features = service.features
    return build(
        [*core_routes(settings.issuer), *(routes for feature in features for routes in feature.routes)],
        [*service.use_cases.records(), *(cases for feature in features for cases in feature.cases)],
        Origins(settings.issuer, settings.allowed_origins),
        lifespan,
        issuer=settings.issuer,
        version=__version__,
    )
