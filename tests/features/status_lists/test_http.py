"""The lists as verifiers fetch them."""

from pathlib import Path
from typing import Any

import httpx2
import jwt
import pytest

from tests.features.status_lists.conftest import unverified
from tests.support.people import Person, login, problem_of
from tests.support.servers import ISSUER, Service
from tests.support.waiting import client_of

METADATA = "/.well-known/oauth-authorization-server"
NAMES_NO_LIST = ["00", "-1", "+0", "1.0", "0x0", "\u0660", "1" * 12, "1" * 4000, "%30%00", "0%20"]


def claim_of(answer: httpx2.Response) -> dict[str, Any]:
    claim: dict[str, Any] = unverified(answer.json()["access_token"])["status"]
    return claim


async def test_a_token_names_a_list_that_verifies_with_the_key_set(
    client: httpx2.AsyncClient, person: Person
) -> None:
    claim = claim_of(await login(client, person))
    assert claim.keys() == {"status_list"}
    assert claim["status_list"].keys() == {"idx", "uri"}
    answer = await client.get(claim["status_list"]["uri"].removeprefix(ISSUER))
    assert answer.status_code == 200
    keys = {key["kid"]: key for key in (await client.get("/.well-known/jwks.json")).json()["keys"]}
    header = jwt.get_unverified_header(answer.text)
    assert header["typ"] == "statuslist+jwt"
    payload = jwt.decode(
        answer.text,
        jwt.PyJWK(keys[header["kid"]]),
        ["RS256"],
        issuer=ISSUER,
        subject=claim["status_list"]["uri"],
    )
    assert payload.keys() == {"iss", "sub", "iat", "exp", "ttl", "status_list"}
    assert payload["status_list"].keys() == {"bits", "lst"}


async def test_a_list_is_cacheable_for_five_seconds_and_for_pages_of_every_origin(
    client: httpx2.AsyncClient,
) -> None:
    answer = await client.get("/status/0", headers={"Origin": "https://elsewhere.example"})
    assert answer.headers["Content-Type"] == "application/statuslist+jwt"
    assert answer.headers["Cache-Control"] == "public, max-age=5"
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert "Set-Cookie" not in answer.headers
    assert "Access-Control-Allow-Credentials" not in answer.headers


async def test_a_verifier_that_has_the_list_is_told_so(client: httpx2.AsyncClient) -> None:
    for path in ("/status/0", "/status"):
        first = await client.get(path)
        again = await client.get(path, headers={"If-None-Match": first.headers["ETag"]})
        # Another session of these tests may have ended in between.
        assert again.status_code == 304 or again.headers["ETag"] != first.headers["ETag"]


@pytest.mark.parametrize("number", NAMES_NO_LIST, ids=repr)
async def test_what_names_no_list_is_not_found(client: httpx2.AsyncClient, number: str) -> None:
    problem_of(await client.get(f"/status/{number}"), 404, "not_found")


async def test_the_metadata_leads_to_the_addresses_of_all_lists(
    client: httpx2.AsyncClient, person: Person
) -> None:
    uri = claim_of(await login(client, person))["status_list"]["uri"]
    endpoint = (await client.get(METADATA)).json()["status_list_aggregation_endpoint"]
    assert endpoint == f"{ISSUER}/status"
    answer = await client.get("/status")
    assert answer.headers["Content-Type"] == "application/json"
    assert uri in answer.json()["status_lists"]


async def test_switched_off_no_token_names_a_list_and_there_is_none(
    migrated: object, environment: dict[str, str], person: Person, tmp_path: Path
) -> None:
    with Service(environment | {"AUTH_STATUS_LISTS": "off"}, tmp_path) as service:
        async with client_of(service) as client:
            answer = await login(client, person)
            assert "status" not in unverified(answer.json()["access_token"])
            for path in ("/status/0", "/status"):
                problem_of(await client.get(path), 404, "not_found")
            assert "status_list_aggregation_endpoint" not in (await client.get(METADATA)).json()
