"""The operator's commands on signing keys: their output and their effects."""

import asyncio
import json
import secrets
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import asyncpg
import httpx2
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from app.crypto.keys import KeyMaker, UnopenableKeyError
from app.crypto.secrets import ServiceSecrets
from app.dev import Servers
from app.domain.keys import KeyState
from tests.support.database import Sql, connect
from tests.support.leaks import service_secret_needles, spellings
from tests.support.people import login, me, new_person
from tests.support.races import inside, parts
from tests.support.servers import TEST_SECRET, Service, app, database, migrate
from tests.support.tokens import sealed_keys, unb64
from tests.support.waiting import client_of

SECONDS = "%Y-%m-%dT%H:%M:%SZ"


class Keys:
    """Runs `python -m app keys ...` on a database of its own, and searches the output for secrets."""

    def __init__(self, environment: dict[str, str], sql: Sql) -> None:
        self.environment = environment
        self.sql = sql

    async def run(
        self, *arguments: str, given: str = "", **variables: str
    ) -> subprocess.CompletedProcess[str]:
        environment = self.environment | variables
        listed = environment["AUTH_SECRET_KEYS"].split(",")
        needles = [*map(str.encode, listed), *service_secret_needles(), *await self._private(*listed)]
        done = await asyncio.to_thread(app, "keys", *arguments, environment=environment, given=given)
        output = (done.stdout + done.stderr).encode()
        assert [needle for needle in [*needles, *await self._private(*listed)] if needle in output] == []
        return done

    async def done(self, *arguments: str, given: str = "", **variables: str) -> tuple[str, list[str]]:
        """The stdout of a command that must succeed, and the lines of its stderr."""
        done = await self.run(*arguments, given=given, **variables)
        assert done.returncode == 0, done.stderr
        return done.stdout, done.stderr.splitlines()

    async def refused(self, *arguments: str, **variables: str) -> str:
        """The one line on stderr of a command that must be refused and change nothing."""
        before = await self.rows()
        done = await self.run(*arguments, **variables)
        assert (done.returncode, done.stdout) == (1, "")
        assert await self.rows() == before
        (line,) = done.stderr.splitlines()
        return line

    async def rows(self) -> list[asyncpg.Record]:
        return await self.sql.fetch("SELECT * FROM signing_keys ORDER BY kid")

    async def kid(self, state: KeyState) -> str:
        return (await sealed_keys(self.sql))[state].kid

    async def _private(self, *listed: str) -> list[bytes]:
        """Byte strings that would leak the present keys. Sealed keys must not be printed either."""
        maker, needles = KeyMaker(ServiceSecrets([unb64(secret.rstrip("=")) for secret in listed])), []
        for key in (await sealed_keys(self.sql)).values():
            needles += spellings(key.sealed_private_key)
            with suppress(UnopenableKeyError):
                der = maker.open(key).private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
                needles += [*spellings(der), *spellings(der[-32:])]
        return needles


@pytest.fixture(scope="module")
def own(servers: Servers, environment: dict[str, str]) -> Iterator[dict[str, str]]:
    """An environment with a database of this module."""
    with database(servers.database_url, f"watchword_{uuid4().hex}") as url:
        migrate({"AUTH_DATABASE_URL": url})
        yield environment | {"AUTH_DATABASE_URL": url, "AUTH_SIGNING_ALGORITHM": "EdDSA"}


@pytest.fixture
async def keys(own: dict[str, str]) -> AsyncIterator[Keys]:
    """The commands, with a new signing key and a new standby."""
    sql = await connect(own["AUTH_DATABASE_URL"])
    await sql.execute("TRUNCATE signing_keys, revocations")
    async with inside(own):
        yield Keys(own, sql)
    await sql.close()


def events(lines: list[str]) -> list[tuple[str, str]]:
    """The event and the key of each JSON line of a log."""
    return [(event["event"], event["kid"]) for event in map(json.loads, lines)]


async def test_keys_are_listed_for_people_and_for_programs(keys: Keys) -> None:
    # The first key verifies, the second signs. The policy changed before the third was created.
    async with parts(keys.environment | {"AUTH_SIGNING_ALGORITHM": "RS256"}) as operator:
        await operator.operator_keys.rotate(at_once=True)
    stored = await sealed_keys(keys.sql)
    kids = {state: key.kid for state, key in stored.items()}
    moments = {
        KeyState.VERIFYING: ("2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z", "2026-02-01T00:00:00Z"),
        KeyState.SIGNING: ("2026-01-02T00:00:00Z", "2026-02-01T00:00:00Z", None),
        KeyState.STANDBY: ("2026-02-01T00:00:01Z", None, None),
    }
    for state, values in moments.items():
        await keys.sql.execute(
            """UPDATE signing_keys SET created_at = $2::text::timestamptz,
                activated_at = $3::text::timestamptz, superseded_at = $4::text::timestamptz
                WHERE kid = $1""",
            *(kids[state], *values),
        )

    output, log = await keys.done("list", "--json")
    assert log == []
    names = ("created_at", "activated_at", "superseded_at")
    # A verifying key is removed 15 + 15 minutes, 30 seconds and 5 minutes of cache after its last signature.
    next_steps = {
        KeyState.VERIFYING: "2026-02-01T00:35:30Z",
        KeyState.SIGNING: "2026-03-03T00:00:00Z",
        KeyState.STANDBY: "2026-03-03T00:00:00Z",
    }
    assert json.loads(output) == [
        {
            "kid": kids[state],
            "algorithm": "RS256" if state is KeyState.STANDBY else "EdDSA",
            "rsa_bits": 2048 if state is KeyState.STANDBY else None,
            "state": state.value,
            **{name: value and in_full(value) for name, value in zip(names, values, strict=True)},
            "next_step_at": in_full(next_steps[state]),
        }
        for state, values in moments.items()
    ]

    output, log = await keys.done("list", AUTH_KEY_ROTATION_INTERVAL="off")
    assert log == []
    verifying, signing, standby = (kids[state] for state in moments)
    assert output.splitlines() == [
        f"{verifying}\tEdDSA\tverifying\tsince 2026-02-01T00:00:00Z\tremoved at 2026-02-01T00:35:30Z",
        f"{signing}\tEdDSA\tsigning\tsince 2026-02-01T00:00:00Z\tuntil an operator rotates",
        f"{standby}\tRS256 2048\tstandby\tsince 2026-02-01T00:00:01Z\tuntil an operator rotates",
    ]
    # If the policy has the standby's algorithm, the standby takes over after one hour.
    output, _ = await keys.done("list", AUTH_SIGNING_ALGORITHM="RS256")
    assert [line.rpartition("\t")[2] for line in output.splitlines()] == [
        "removed at 2026-02-01T00:35:30Z",
        "signs until 2026-02-01T01:00:01Z",
        "signs from 2026-02-01T01:00:01Z",
    ]


async def test_a_rotation_needs_a_standby_of_one_hour_unless_it_is_forced(keys: Keys, tmp_path: Path) -> None:
    person = await new_person(keys.sql)
    with Service(keys.environment, tmp_path) as service:
        async with client_of(service) as client:
            first = await login(client, person)
            standby = await keys.kid(KeyState.STANDBY)
            created = await keys.sql.fetchval("SELECT created_at FROM signing_keys WHERE kid = $1", standby)
            assert await keys.refused("rotate") == (
                f"the standby {standby} may sign from {created + timedelta(hours=1):%Y-%m-%dT%H:%M:%SZ}, "
                "when every verifier has seen it; --now rotates anyway"
            )
            assert kid_of(await login(client, person)) == kid_of(first)

            await keys.sql.execute("UPDATE signing_keys SET created_at = created_at - interval '1 hour'")
            for arguments in (["rotate"], ["rotate", "--now"]):
                standby = await keys.kid(KeyState.STANDBY)
                output, log = await keys.done(*arguments)
                assert output == f"{standby} signs from now on\n"
                created = await keys.kid(KeyState.STANDBY)
                assert events(log) == [("key.created", created), ("key.rotated", standby)]
                assert kid_of(await login(client, person)) == standby
            # Tokens of the previous keys stay valid.
            assert (await me(client, first.json()["access_token"])).status_code == 200


@pytest.mark.parametrize("answer", ["", "n\n", "\n"], ids=["end of input", "no", "return key"])
async def test_a_key_is_not_retired_without_a_confirmation(keys: Keys, answer: str) -> None:
    before, signing = await keys.rows(), await keys.kid(KeyState.SIGNING)
    done = await keys.run("retire", signing, given=answer)
    # The prompt ends with a space.
    assert (done.returncode, done.stdout.strip()) == (1, "")
    assert done.stderr.startswith(f"Refuse every access token that {signing} signed? [y/N]:")
    assert "Traceback" not in done.stderr
    assert await keys.rows() == before


async def test_a_key_is_retired_after_a_confirmation(keys: Keys) -> None:
    signing, standby = await keys.kid(KeyState.SIGNING), await keys.kid(KeyState.STANDBY)
    output, log = await keys.done("retire", signing, given="y\n")
    (line,) = output.splitlines()
    assert line.strip().startswith(f"{signing} is retired; ")
    question = f"Refuse every access token that {signing} signed? [y/N]:"
    assert log[0].startswith(question)
    created = await keys.kid(KeyState.STANDBY)
    logged = events([log[0].removeprefix(question), *log[1:]])
    assert logged == [("key.created", created), ("key.rotated", standby), ("key.retired", signing)]
    assert await keys.kid(KeyState.SIGNING) == standby
    assert [row["id"] for row in await keys.sql.fetch("SELECT id FROM revocations")] == [signing]
    for unknown in (signing, "-starts-with-a-hyphen", "--with-two"):
        assert await keys.refused("retire", unknown, "--yes") == (
            f"no key is called {unknown!r}; look at: keys list"
        )


async def test_keys_are_resealed_and_a_key_that_does_not_open_is_named(keys: Keys) -> None:
    new, stranger = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
    assert await keys.done("reseal") == ("0 keys resealed\n", [])
    # The standby is sealed under the new secret already.
    async with parts(keys.environment | {"AUTH_SECRET_KEYS": f"{new},{TEST_SECRET}"}) as operator:
        await operator.operator_keys.retire(await keys.kid(KeyState.STANDBY))
    assert await keys.done("reseal", AUTH_SECRET_KEYS=f"{new},{TEST_SECRET}") == ("1 key resealed\n", [])
    (first, *_) = await keys.sql.fetch("SELECT kid FROM signing_keys ORDER BY created_at, kid")
    assert await keys.refused("reseal", AUTH_SECRET_KEYS=f"{stranger},{TEST_SECRET}") == (
        f"no secret in AUTH_SECRET_KEYS opens the key {first['kid']}; list the one that sealed it"
    )
    assert await keys.done("reseal", AUTH_SECRET_KEYS=new) == ("0 keys resealed\n", [])


def in_full(moment: str) -> str:
    return moment.replace("Z", ".000000Z")


def kid_of(answer: httpx2.Response) -> str:
    assert answer.status_code == 200, answer.text
    return str(json.loads(unb64(answer.json()["access_token"].split(".")[0]))["kid"])
