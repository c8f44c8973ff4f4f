"""The ASGI entry: ``uvicorn --factory app.main:create_app``."""

import gc
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI

from app import __version__
from app.http.application import build
from app.logs import configure_logs
from app.settings import Settings, load
from app.wiring import maintained, open_service


def create_app() -> FastAPI:
    """The application, with its settings from the environment."""
    settings = load(Settings)
    configure_logs(settings.log_format)
    service = open_service(settings)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[Mapping[str, Any]]:
        async with service, maintained(service.jobs):
            # Everything loaded by now stays. Searching it for garbage would delay all requests.
            gc.collect()
            gc.freeze()
            cases = {type(cases): cases for feature in service.features for cases in feature.cases}
            yield {"use_cases": service.use_cases, "cases": cases}

    return build(
        lifespan,
        service.use_cases.origins,
        issuer=settings.issuer,
        version=__version__,
        features=[router for feature in service.features for router in feature.routers],
    )
