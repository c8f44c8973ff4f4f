"""contract/openapi.json is what the code generates, and what the service publishes."""

import json
from typing import Any

import httpx2

from tests.support.people import COOKIE
from tests.support.servers import ISSUER, Service
from tools.contract import CONTRACT, contract


def test_the_committed_contract_is_the_one_that_the_code_generates() -> None:
    assert CONTRACT.read_text(encoding="utf-8") == contract(), "run: make contract"


def test_the_service_publishes_the_contract_for_its_own_issuer(service: Service) -> None:
    published: dict[str, Any] = httpx2.get(f"{service.url}/openapi.json", trust_env=False).json()
    expected = json.loads(contract()) | {"servers": [{"url": ISSUER}]}
    expected["components"]["securitySchemes"]["refreshTokenCookie"]["name"] = COOKIE
    assert published == expected
