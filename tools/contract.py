"""Writes the OpenAPI document of the core and of every feature to contract/openapi.json.

    PYTHONPATH=. python tools/contract.py

The document is the one that the service publishes, for an issuer that stands for any.
"""

import json
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import Any

from app import __version__, features
from app.http.application import core_routes
from app.http.openapi import document
from app.http.routing import Routes

ISSUER = "https://auth.example.com"
CONTRACT = Path(__file__).parents[1] / "contract/openapi.json"


def contract() -> str:
    """The text of the file; the same on every machine."""
    routes = [*core_routes(ISSUER), *_feature_routes()]
    described = document(routes, issuer=ISSUER, version=__version__)
    return json.dumps(described, ensure_ascii=False, indent=2) + "\n"


def _feature_routes() -> Iterator[Routes[Any]]:
    for feature in iter_modules(features.__path__):
        yield import_module(f"app.features.{feature.name}.http").route


if __name__ == "__main__":
    CONTRACT.write_text(contract(), encoding="utf-8")
