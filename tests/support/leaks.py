"""A search for secrets in everything that a service leaves behind: tables, files, Redis, logs."""

from base64 import b64encode, urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx2
import redis
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from app.crypto.keys import KeyMaker, PrivateKey
from app.crypto.secrets import ServiceSecret, ServiceSecrets
from app.domain.keys import Algorithm, SealedKey
from tests.support.database import Sql
from tests.support.people import cookie_of, marker
from tests.support.servers import TEST_SECRET


@dataclass
class Trail:
    """What must be found nowhere, and where to look."""

    refresh_tokens: list[str] = field(default_factory=list)
    access_tokens: list[str] = field(default_factory=list)
    passwords: list[str] = field(default_factory=list)
    idempotency_keys: list[str] = field(default_factory=list)
    emails: list[str] = field(default_factory=list)
    keys: list[bytes] = field(default_factory=list)
    planted: str = field(default_factory=marker)
    places: dict[str, bytes] = field(default_factory=dict)
    statuses: set[int] = field(default_factory=set)

    def took(self, answer: httpx2.Response) -> httpx2.Response:
        self.statuses.add(answer.status_code)
        if answer.status_code == 200 and "access_token" in answer.text:
            self.access_tokens.append(answer.json()["access_token"])
            given = answer.json().get("refresh_token")
            self.refresh_tokens.append(cookie_of(answer) if given is None else given)
        return answer

    def password(self) -> str:
        self.passwords.append(f"pass {marker()}")
        return self.passwords[-1]


def spellings(secret: bytes) -> list[bytes]:
    """The ways in which bytes are commonly written down."""
    base64 = {b64encode(secret).rstrip(b"="), urlsafe_b64encode(secret).rstrip(b"=")}
    return [secret, secret.hex().encode(), secret.hex().upper().encode(), *base64]


def refresh_token_needles(token: str) -> list[bytes]:
    """The token, its bytes, and its seed, with which the service secret makes any of its family."""
    raw = urlsafe_b64decode(token.removeprefix("wwr_"))
    return [token.encode(), *spellings(raw), *spellings(raw[25:41])]


def access_token_needles(token: str) -> list[bytes]:
    signature = token.rpartition(".")[2]
    return [token.encode(), *spellings(urlsafe_b64decode(signature + "=" * (-len(signature) % 4)))]


def service_secret_needles() -> list[bytes]:
    """The service's secret, and the keys that are derived from it."""
    raw = urlsafe_b64decode(TEST_SECRET)
    derived = ServiceSecret.of(raw)
    return [
        TEST_SECRET.encode(),
        *(
            needle
            for key in (raw, derived.refresh_key, derived.seal_key, derived.mark_key)
            for needle in spellings(key)
        ),
    ]


async def private_key_needles(sql: Sql) -> list[bytes]:
    """Every signing key of the database, opened, in the forms that would give it away."""
    rows = await sql.fetch("SELECT kid, algorithm, sealed_private_key FROM signing_keys")
    assert len(rows) >= 2
    maker = KeyMaker(ServiceSecrets([urlsafe_b64decode(TEST_SECRET)]))
    needles: list[bytes] = []
    for row in rows:
        sealed = SealedKey(row["kid"], Algorithm(row["algorithm"]), {}, row["sealed_private_key"])
        needles += _of(maker.open(sealed))
    return needles


def _of(key: PrivateKey) -> Iterator[bytes]:
    assert isinstance(key, rsa.RSAPrivateKey)
    numbers = key.private_numbers()
    for number in (numbers.d, numbers.p, numbers.q, numbers.dmp1, numbers.dmq1, numbers.iqmp):
        yield from spellings(number.to_bytes((number.bit_length() + 7) // 8, "big"))
        yield str(number).encode()
    for format_ in (PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL):
        yield from spellings(key.private_bytes(Encoding.DER, format_, NoEncryption()))
        # The first lines of the text tell only what kind of key it is, and the modulus, which is public.
        yield from key.private_bytes(Encoding.PEM, format_, NoEncryption()).splitlines()[10:-2]


async def tables(sql: Sql) -> bytes:
    """Every row of every table of ours as text."""
    names = await sql.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    assert {"accounts", "events", "sessions", "revocations", "signing_keys"} <= {
        row["tablename"] for row in names
    }
    rows = [
        row["text"]
        for name in names
        for row in await sql.fetch(f'SELECT t::text AS text FROM "{name["tablename"]}" AS t')
    ]
    return "\n".join(rows).encode()


async def events(sql: Sql) -> bytes:
    """Every event, a line each that begins with its kind."""
    rows = await sql.fetch("SELECT kind || ' ' || e::text AS text FROM events AS e ORDER BY id")
    return "\n".join(row["text"] for row in rows).encode()


async def database_files(sql: Sql) -> bytes:
    """The files of our database, the write-ahead log and the server's own log."""
    await sql.execute("CHECKPOINT")
    folder = Path(await sql.fetchval("SHOW data_directory"))
    number = await sql.fetchval("SELECT oid FROM pg_database WHERE datname = current_database()")
    ours = [*(folder / "base" / str(number)).iterdir(), *(folder / "pg_wal").iterdir()]
    files = [folder.with_suffix(".log"), *(file for file in ours if file.is_file())]
    return b"\n".join(file.read_bytes() for file in files)


def redis_contents(url: str) -> bytes:
    """Every key and every value."""
    with redis.Redis.from_url(url) as client:
        keys = list(client.scan_iter())
        assert keys
        # The dump of a value is its serialised form, whatever its type.
        return b"\n".join(part for key in keys for part in (key, bytes(client.dump(key) or b"")))
