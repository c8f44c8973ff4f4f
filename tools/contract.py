"""Writes the OpenAPI document of the core and of all features to contract/openapi.json.

    PYTHONPATH=. python tools/contract.py

The document is the one that the service publishes, for an issuer that stands for any.
"""

import json
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


def feature_routes() -> list[Routes[Any]]:
    """The routes of every feature, whatever the settings switch off."""
    modules = sorted(f"app.features.{feature.name}.http" for feature in iter_modules(features.__path__))
    return [import_module(module).route for module in modules]


def contract() -> str:
    """The text of the file; the same on every machine."""
    routes = [*core_routes(ISSUER), *feature_routes()]
    described = document(routes, issuer=ISSUER, version=__version__)
    return json.dumps(described, ensure_ascii=False, indent=2) + "\n"


if __name__ == "__main__":
    CONTRACT.write_text(contract(), encoding="utf-8")
