"""The application that a worker of ``serve`` runs. The worker has configured the logs."""

import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from app import __version__
from app.http.application import Application, Options, build, core_routes
from app.http.origins import Origins
from app.settings import Settings, load
from app.wiring import Service, maintained, open_service
from app.wiring.features import build_features
from app.wiring.routes import records


def create_app() -> Application:
    """The application, with its settings from the environment."""
    settings = load(Settings)
    return application(settings, open_service(settings))


def application(settings: Settings, service: Service) -> Application:
    """The application on a service, which it closes when it ends."""
    features = build_features(service.core, settings)
    metadata = {name: value for feature in features for name, value in feature.metadata.items()}
    jobs = [*service.jobs, *(job for feature in features for job in feature.jobs)]

    origins = Origins(settings.issuer, settings.allowed_origins, settings.native_origins)
    made = [(path, make) for feature in features for path, make in feature.sockets.items()]

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with service, maintained(jobs):
            # Everything loaded by now stays, and a hundredth of it is garbage. Searching it would delay the
            # start, and later all requests.
            gc.freeze()
            gc.enable()
            yield

    return build(
        [
            *core_routes(settings.issuer, metadata),
            *(routes for feature in features for routes in feature.routes),
        ],
        [*records(service.use_cases), *(cases for feature in features for cases in feature.cases)],
        origins,
        lifespan,
        issuer=settings.issuer,
        version=__version__,
        options=Options(settings.hsts, settings.root_path or "", settings.log_probes),
        sockets={path: make(origins) for path, make in made},
    )
