"""The feature is in the metadata and in the OpenAPI document, and goes when it is switched off."""

from pathlib import Path

import httpx2
import pytest
from authlib.oauth2.rfc8414 import AuthorizationServerMetadata

from tests.support.clients import GRANT, new_client, proof, token_of
from tests.support.database import Sql
from tests.support.people import problem_of
from tests.support.servers import Service, app
from tests.support.waiting import client_of

PATHS = ("/token", "/introspect", "/revoke")


async def test_authlib_finds_the_metadata_right(client: httpx2.AsyncClient) -> None:
    """But for the list that has to be there although it is empty (RFC 8414 section 2), and plain http."""
    document = (await client.get("/.well-known/oauth-authorization-server")).json()
    secure = {
        name: value.replace("http:", "https:") if isinstance(value, str) else value
        for name, value in document.items()
    }
    metadata = AuthorizationServerMetadata(secure)
    with pytest.raises(ValueError, match="response_types_supported"):
        metadata.validate()
    AuthorizationServerMetadata(secure | {"response_types_supported": ["none"]}).validate()


async def test_it_is_documented_and_goes_when_it_is_switched_off(
    service: Service, sql: Sql, environment: dict[str, str], tmp_path: Path
) -> None:
    orders = await new_client(sql, "a")
    async with client_of(service) as client:
        assert (await client.get("/openapi.json")).json()["paths"].keys() >= set(PATHS)
        await token_of(client, orders)
    switched_off = environment | {"AUTH_CLIENTS": "off"}
    with Service(switched_off, tmp_path) as without:
        async with client_of(without) as client:
            for path in PATHS:
                problem_of(await client.post(path, data=GRANT, headers=proof(orders)), 404, "not_found")
            assert not (await client.get("/openapi.json")).json()["paths"].keys() & set(PATHS)
            document = (await client.get("/.well-known/oauth-authorization-server")).json()
            assert document["grant_types_supported"] == []
            gone = ("token_endpoint", "introspection_endpoint", "revocation_endpoint")
            assert not [name for name in document if name.startswith(gone)]
    # An operator can still look at the clients that there are, and delete them.
    assert app("clients", "show", orders.name, environment=switched_off).returncode == 0
