"""The two discovery documents: true to the byte, no more than there is, and there when nothing else is."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import timedelta
from pathlib import Path

import httpx2
import jwt
import pytest
from authlib.oauth2.rfc8414 import AuthorizationServerMetadata
from authlib.oidc.discovery import OpenIDProviderMetadata
from joserfc.jwk import KeySet

from app import __version__
from app.http.application import build, core_routes
from app.http.origins import Origins
from app.wiring.routes import records
from tests.support.database import connect
from tests.support.people import Person, login, problem_of
from tests.support.races import inside
from tests.support.servers import ISSUER, PrivateServers, Service, migrate
from tests.support.verifiers import ShiftedTime
from tests.support.waiting import client_of, health

OPENID, OAUTH = "/.well-known/openid-configuration", "/.well-known/oauth-authorization-server"
DOCUMENTS = [OPENID, OAUTH]
ISSUERS = [
    "https://id.example.com",
    "https://id.example.com/",
    "https://id.example.com:8443",
    "https://id.example.com/auth",
    "https://id.example.com/auth/",
    "https://ID.example.com:443/Tenants/%C3%A9t%C3%A9",
    "http://localhost:8000",
]

Serve = Callable[[str], AbstractAsyncContextManager[httpx2.AsyncClient]]


@asynccontextmanager
async def _served(environment: Mapping[str, str]) -> AsyncIterator[httpx2.AsyncClient]:
    """The application in this process, at the root, as behind a proxy that takes away the issuer's path."""
    async with inside(environment) as parts:
        issuer = environment["AUTH_ISSUER"]
        app = build(
            core_routes(issuer),
            records(parts.use_cases),
            Origins(issuer, []),
            issuer=issuer,
            version=__version__,
        )
        transport = httpx2.ASGITransport(app)
        async with httpx2.AsyncClient(transport=transport, base_url="http://proxied") as client:
            yield client


@pytest.fixture
def serve(migrated: object, environment: dict[str, str]) -> Serve:
    return lambda issuer: _served(environment | {"AUTH_ISSUER": issuer, "AUTH_AUDIENCE": issuer})


async def test_the_two_documents_are_one(client: httpx2.AsyncClient) -> None:
    openid, oauth = [await client.get(path) for path in DOCUMENTS]

    assert openid.status_code == oauth.status_code == 200
    assert (openid.content, openid.headers["ETag"]) == (oauth.content, oauth.headers["ETag"])
    assert openid.headers["Content-Type"] == oauth.headers["Content-Type"] == "application/json"
    assert openid.json()["issuer"] == ISSUER


@pytest.mark.parametrize("issuer", ISSUERS)
async def test_the_issuer_is_the_configured_one_to_the_byte_and_the_one_of_the_tokens(
    serve: Serve, person: Person, issuer: str
) -> None:
    async with serve(issuer) as client:
        for path in DOCUMENTS:
            document = await client.get(path)
            assert f'"issuer":"{issuer}"'.encode() in document.content
        token = (await login(client, person)).json()["access_token"]
    assert jwt.decode(token, options={"verify_signature": False})["iss"] == issuer


@pytest.mark.parametrize("issuer", ISSUERS)
async def test_all_that_is_listed_is_there_below_the_issuer(serve: Serve, issuer: str) -> None:
    async with serve(issuer) as client:
        document = (await client.get(OPENID)).json()
        places = {name: url for name, url in document.items() if name.endswith(("_uri", "_endpoint"))}
        assert places == {"jwks_uri": f"{issuer.rstrip('/')}/.well-known/jwks.json"}
        for url in places.values():
            answer = await client.get(url.removeprefix(issuer.rstrip("/")))
            assert answer.status_code == 200
            assert len(KeySet.import_key_set(answer.json()).keys) == 2


async def test_nothing_is_listed_that_is_not_offered(client: httpx2.AsyncClient) -> None:
    document = (await client.get(OPENID)).json()
    del document["issuer"], document["jwks_uri"]

    assert document.pop("status_list_aggregation_endpoint") == f"{ISSUER}/status"
    assert (await client.get("/status")).status_code == 200
    endpoints = {
        "token_endpoint": "/token",
        "introspection_endpoint": "/introspect",
        "revocation_endpoint": "/revoke",
    }
    for name, path in endpoints.items():
        assert document.pop(name) == f"{ISSUER}{path}"
        assert (await client.get(path)).status_code == 405
        algorithms = document.pop(f"{name}_auth_signing_alg_values_supported")
        assert algorithms == ["RS256", "PS256", "ES256", "EdDSA", "Ed25519"]
    proofs = ["client_secret_basic", "private_key_jwt"]
    assert document == {
        "grant_types_supported": ["client_credentials"],
        "response_types_supported": [],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "token_endpoint_auth_methods_supported": proofs,
        "introspection_endpoint_auth_methods_supported": [*proofs, "Bearer"],
        "revocation_endpoint_auth_methods_supported": ["none", *proofs],
    }


@pytest.mark.parametrize("issuer", ISSUERS[:-1])
async def test_authlib_misses_only_what_the_service_does_not_have(serve: Serve, issuer: str) -> None:
    async with serve(issuer) as client:
        document = (await client.get(OAUTH)).json()

    for kind in (AuthorizationServerMetadata, OpenIDProviderMetadata):
        metadata, missed = kind(document), set()
        assert document.keys() <= set(OpenIDProviderMetadata.REGISTRY_KEYS)
        for member in kind.REGISTRY_KEYS:
            try:
                getattr(metadata, f"validate_{member}")()
            except ValueError:
                missed.add(member)
        # Authlib does not take an empty list for the one, and asks for the other with any grants.
        assert missed == {"response_types_supported", "token_endpoint"}


@pytest.mark.parametrize("issuer", ["https://id.example.com/auth", "https://id.example.com/auth/"])
async def test_the_path_of_an_issuer_may_follow_the_well_known_one(serve: Serve, issuer: str) -> None:
    async with serve(issuer) as client:
        answer = await client.get(f"{OAUTH}/auth")
        assert (answer.status_code, answer.content) == (200, (await client.get(OAUTH)).content)
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
        for path in (f"{OAUTH}/other", f"{OAUTH}/auth/more", f"{OAUTH}/AUTH"):
            problem_of(await client.get(path), 404, "not_found")


async def test_an_issuer_without_a_path_has_no_other_place(serve: Serve) -> None:
    async with serve("https://id.example.com/") as client:
        for path in (f"{OAUTH}/", f"{OAUTH}/auth"):
            problem_of(await client.get(path), 404, "not_found")


async def test_algorithms_are_those_of_the_published_keys_from_the_standby_to_the_last_of_the_old(
    empty_database: str, environment: dict[str, str]
) -> None:
    environment = environment | {"AUTH_DATABASE_URL": empty_database}
    changed = environment | {"AUTH_SIGNING_ALGORITHM": "ES256"}
    migrate(environment)
    sql = await connect(empty_database)
    time = ShiftedTime(sql)
    etags = []

    async def listed(environment: Mapping[str, str]) -> list[str]:
        async with _served(environment) as client:
            answer = await client.get(OPENID)
            keys = (await client.get("/.well-known/jwks.json")).json()["keys"]
        algorithms: list[str] = answer.json()["id_token_signing_alg_values_supported"]
        assert algorithms == sorted({key["alg"] for key in keys})
        etags.append(answer.headers["ETag"])
        return algorithms

    assert await listed(environment) == ["RS256"]
    await time.passes(timedelta(minutes=61))
    assert await listed(changed) == ["ES256", "RS256"]
    await time.passes(timedelta(minutes=61))
    assert await listed(changed) == ["ES256", "RS256"]
    await time.passes(timedelta(minutes=36))
    assert await listed(changed) == ["ES256"]
    await sql.close()
    assert etags[0] != etags[1] == etags[2] != etags[3]


@pytest.mark.parametrize("path", DOCUMENTS)
async def test_every_page_may_read_it_and_every_cache_may_keep_it_for_all(
    client: httpx2.AsyncClient, path: str
) -> None:
    plain = await client.get(path)
    asked = await client.get(path, headers={"Origin": "https://anywhere.example.net"})

    for answer in (plain, asked):
        assert answer.headers.get_list("Access-Control-Allow-Origin") == ["*"]
        assert answer.headers["Cache-Control"] == "public, max-age=300"
        assert not answer.headers.keys() & {"vary", "set-cookie", "access-control-allow-credentials"}
    assert plain.content == asked.content


@pytest.mark.parametrize("path", DOCUMENTS)
async def test_a_client_that_has_the_document_gets_304_and_any_other_the_whole(
    client: httpx2.AsyncClient, path: str
) -> None:
    whole = await client.get(path)
    etag = whole.headers["ETag"]

    for condition in (etag, f"W/{etag}", f'"other", {etag}', "*"):
        answer = await client.get(path, headers={"If-None-Match": condition})
        assert (answer.status_code, answer.content) == (304, b"")
        assert (answer.headers["ETag"], answer.headers["Cache-Control"]) == (etag, "public, max-age=300")
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
    key_set_etag = (await client.get("/.well-known/jwks.json")).headers["ETag"]
    for condition in ('"other"', key_set_etag):
        answer = await client.get(path, headers={"If-None-Match": condition})
        assert (answer.status_code, answer.content) == (200, whole.content)


@pytest.mark.parametrize("path", DOCUMENTS)
async def test_head_is_get_without_a_body_and_nothing_else_is_taken(
    client: httpx2.AsyncClient, path: str
) -> None:
    whole, head = await client.get(path), await client.head(path)

    assert (head.status_code, head.content) == (200, b"")
    for name in ("Content-Type", "Content-Length", "Cache-Control", "ETag", "Access-Control-Allow-Origin"):
        assert head.headers[name] == whole.headers[name]
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        answer = await client.request(method, path)
        problem_of(answer, 405, "method_not_allowed")
        assert answer.headers["Allow"] == "GET, HEAD"


async def test_both_are_served_while_postgres_and_redis_are_gone(
    private_servers: PrivateServers, tmp_path: Path
) -> None:
    migrate(private_servers.environment)
    with Service(private_servers.environment, tmp_path) as service:
        async with client_of(service) as client:
            before = [await client.get(path) for path in DOCUMENTS]
            private_servers.postgres.kill()
            private_servers.valkey.kill()
            assert (await health(client))[0] == 503

            for path, was in zip(DOCUMENTS, before, strict=True):
                answer = await client.get(path)
                assert (answer.status_code, answer.content) == (200, was.content)
                known = await client.get(path, headers={"If-None-Match": was.headers["ETag"]})
                assert known.status_code == 304
