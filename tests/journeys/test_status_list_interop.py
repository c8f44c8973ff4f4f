"""Status lists of the real service, read by code that others wrote, while sessions end."""

import asyncio
import json
import os
import shutil
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from app.dev import Servers
from app.domain.keys import Algorithm
from tests.support.database import connect
from tests.support.people import login, new_person
from tests.support.processes import PATIENCE
from tests.support.servers import Service, database, free_port, migrate
from tests.support.verifiers import INTEROP
from tests.support.waiting import client_of, until

pytestmark = pytest.mark.requirement("L3")


@pytest.fixture(scope="module", params=list(Algorithm))
async def own(
    request: pytest.FixtureRequest,
    servers: Servers,
    environment: dict[str, str],
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[Service]:
    """A service that signs with this algorithm, and is found at its issuer."""
    port = free_port()
    issuer = {"AUTH_ISSUER": f"http://localhost:{port}", "AUTH_SIGNING_ALGORITHM": request.param.value}
    with database(servers.database_url, f"lists_{port}") as url:
        settings = environment | issuer | {"AUTH_DATABASE_URL": url}
        migrate(settings)
        with Service(settings, tmp_path_factory.mktemp("lists"), port=port) as service:
            yield service


# Left out only where there is no npm; in CI it has to be there.
@pytest.mark.skipif(not (shutil.which("npm") or os.environ.get("CI") == "true"), reason="there is no npm")
async def test_jose_and_an_independent_decoder_see_which_sessions_have_ended(own: Service) -> None:
    sql = await connect(own.environment["AUTH_DATABASE_URL"])
    person = await new_person(sql)
    await sql.close()
    async with client_of(own) as client:
        sessions = [(await login(client, person)).json() for _ in range(6)]
        tokens = [session["access_token"] for session in sessions]
        assert await statuses(own, tokens) == [0] * 6
        for session in sessions[::2]:
            done = await client.post("/logout", json={"refresh_token": session["refresh_token"]})
            assert done.status_code == 204

        async def are_seen() -> bool:
            return await statuses(own, tokens) == [1, 0] * 3

        await until(are_seen)


async def statuses(service: Service, tokens: list[str]) -> list[int]:
    url = f"{service.url}/.well-known/jwks.json"
    asked = "".join(json.dumps({"url": url, "token": token}) + "\n" for token in tokens)
    done = await asyncio.to_thread(_node, INTEROP / "status.mjs", asked)
    assert done.returncode == 0, done.stderr
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert all(each["ours"] == each["theirs"] for each in found)
    return [each["ours"] for each in found]


def _node(script: Path, given: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["node", script], input=given, capture_output=True, text=True, check=False, timeout=PATIENCE
    )
