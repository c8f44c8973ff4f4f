"""Writes the OpenAPI document of the core to contract/openapi.json.

    PYTHONPATH=. python tools/contract.py

The document is the one that the service publishes, for an issuer that stands for any.
"""

import json
from pathlib import Path

from app import __version__
from app.http.application import core_routes
from app.http.openapi import document

ISSUER = "https://auth.example.com"
CONTRACT = Path(__file__).parents[1] / "contract/openapi.json"


def contract() -> str:
    """The text of the file; the same on every machine."""
    described = document(core_routes(ISSUER), issuer=ISSUER, version=__version__)
    return json.dumps(described, ensure_ascii=False, indent=2) + "\n"


if __name__ == "__main__":
    CONTRACT.write_text(contract(), encoding="utf-8")
