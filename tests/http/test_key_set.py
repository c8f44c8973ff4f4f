"""The published key set: public members only, and as cacheable as verifiers everywhere need it to be."""

import re
from typing import Any

import httpx
import pytest
from joserfc.jwk import import_key

from app.domain.keys import KeyState
from tests.support.database import Sql
from tests.support.tokens import sealed_keys

PATH = "/.well-known/jwks.json"
PRIVATE_MEMBERS = {"d", "p", "q", "dp", "dq", "qi", "oth", "k"}


@pytest.fixture
async def published(client: httpx.AsyncClient) -> httpx.Response:
    return await client.get(PATH)


@pytest.fixture
def keys(published: httpx.Response) -> list[dict[str, Any]]:
    document = published.json()
    assert document.keys() == {"keys"}
    return list(document["keys"])


@pytest.mark.requirement("K2")
async def test_the_signing_key_and_the_standby_are_published(keys: list[dict[str, Any]], sql: Sql) -> None:
    stored = await sealed_keys(sql)

    assert {key["kid"] for key in keys} == {stored[KeyState.SIGNING].kid, stored[KeyState.STANDBY].kid}
    assert len(keys) == 2


@pytest.mark.requirement("K1")
def test_a_published_key_says_what_it_is_for_and_holds_nothing_private(keys: list[dict[str, Any]]) -> None:
    for key in keys:
        assert key.keys() == {"kty", "use", "alg", "kid", "n", "e"}
        assert not PRIVATE_MEMBERS & key.keys()
        assert (key["kty"], key["use"], key["alg"], key["e"]) == ("RSA", "sig", "RS256", "AQAB")


def test_a_published_key_is_named_by_its_thumbprint(keys: list[dict[str, Any]]) -> None:
    assert [key["kid"] for key in keys] == [import_key(key).thumbprint() for key in keys]


def test_the_key_set_is_a_jwk_set_that_caches_may_keep_for_five_minutes(published: httpx.Response) -> None:
    assert published.status_code == 200
    assert published.headers["Content-Type"] == "application/jwk-set+json"
    assert published.headers["Cache-Control"] == "public, max-age=300"
    assert "Set-Cookie" not in published.headers


async def test_its_etag_is_strong_and_stays_while_the_keys_stay(
    client: httpx.AsyncClient, published: httpx.Response
) -> None:
    again = await client.get(PATH)

    assert re.fullmatch(r'"[!#-~]+"', published.headers["ETag"])
    assert (again.headers["ETag"], again.content) == (published.headers["ETag"], published.content)


@pytest.mark.parametrize(
    "condition",
    ["{etag}", "W/{etag}", '"other", {etag}', '{etag} , "other"', "*"],
    ids=str,
)
async def test_a_client_that_has_the_key_set_gets_304_without_a_body(
    client: httpx.AsyncClient, published: httpx.Response, condition: str
) -> None:
    etag = published.headers["ETag"]

    answer = await client.get(PATH, headers={"If-None-Match": condition.format(etag=etag)})

    assert (answer.status_code, answer.content) == (304, b"")
    assert answer.headers["ETag"] == etag
    assert answer.headers["Cache-Control"] == "public, max-age=300"


async def test_the_condition_may_come_in_two_header_fields(
    client: httpx.AsyncClient, published: httpx.Response
) -> None:
    fields = [("If-None-Match", '"other"'), ("If-None-Match", published.headers["ETag"])]

    assert (await client.get(PATH, headers=fields)).status_code == 304


@pytest.mark.parametrize("condition", ['"other"', "", "{bare}", '"{bare}x"', "{upper}"])
async def test_a_client_with_another_key_set_gets_the_whole(
    client: httpx.AsyncClient, published: httpx.Response, condition: str
) -> None:
    bare = published.headers["ETag"].strip('"')

    answer = await client.get(
        PATH, headers={"If-None-Match": condition.format(bare=bare, upper=f'w/"{bare}"')}
    )

    assert (answer.status_code, answer.content) == (200, published.content)


async def test_head_answers_with_the_headers_of_get_and_no_body(
    client: httpx.AsyncClient, published: httpx.Response
) -> None:
    answer = await client.head(PATH)

    assert (answer.status_code, answer.content) == (200, b"")
    for name in ("Content-Type", "Content-Length", "Cache-Control", "ETag"):
        assert answer.headers[name] == published.headers[name]


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
async def test_the_key_set_cannot_be_changed_over_http(client: httpx.AsyncClient, method: str) -> None:
    answer = await client.request(method, PATH)

    assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed")
