"""Login, refresh and logout, as a native client sees them."""

import httpx2

from tests.support.people import Person, login, me, refresh


async def test_a_session_runs_from_login_over_refresh_to_logout(
    client: httpx2.AsyncClient, person: Person
) -> None:
    opened = (await login(client, person)).json()
    renewed = (await refresh(client, opened["refresh_token"])).json()
    assert renewed["refresh_token"] != opened["refresh_token"]
    for token in (opened["access_token"], renewed["access_token"]):
        assert (await me(client, token)).json()["email"] == person.email

    ended = await client.post("/logout", json={"refresh_token": renewed["refresh_token"]})

    assert ended.status_code == 204
    assert (await refresh(client, renewed["refresh_token"])).json()["code"] == "session_revoked"
    for token in (opened["access_token"], renewed["access_token"]):
        assert (await me(client, token)).json()["code"] == "invalid_token"
