"""TLS to a real Postgres with a certificate of a private authority, as each sslmode asks for it."""

import asyncio
import os
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.storage.postgres.connections import Connector
from app.storage.postgres.encryption import encryption
from app.storage.postgres.outages import Misconfigured
from app.storage.postgres.urls import parse_url
from tests.support.certificates import Authority
from tests.support.postgres import TRUST, Postgres, needs_tls, postgres, postgres_with_tls

pytestmark = needs_tls
AUTHORITY, STRANGER = Authority("Ours"), Authority("A stranger")
OWN = AUTHORITY.issue("localhost", "localhost")
ENCRYPTED = """
local all all trust
hostssl all secured 127.0.0.1/32 cert
hostssl all all 127.0.0.1/32 trust
"""


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    """A server that takes nothing but TLS, and whose certificate is for localhost alone."""
    with postgres_with_tls(hba=ENCRYPTED, pair=OWN, authority=AUTHORITY.certificate) as server:
        yield server


@pytest.fixture(scope="module")
def plain() -> Iterator[Postgres]:
    with postgres(hba=TRUST) as server:
        yield server


@pytest.fixture(autouse=True)
def without_certificates(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The machine trusts nothing that a test does not name, and HOME does not exist."""
    for name in [name for name in os.environ if name.startswith("PG")]:
        monkeypatch.delenv(name)
    nothing = tmp_path / "nothing.pem"
    nothing.write_bytes(STRANGER.certificate)
    monkeypatch.setenv("SSL_CERT_FILE", str(nothing))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path / "none"))
    monkeypatch.setenv("HOME", "/nonexistent")


@pytest.fixture
def ca(tmp_path: Path) -> Path:
    path = tmp_path / "ca.pem"
    path.write_bytes(AUTHORITY.certificate)
    return path


async def is_encrypted(url: str) -> bool:
    connection = await Connector(url).connect()
    try:
        return bool(await connection.fetchval("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"))
    finally:
        await connection.close()


async def refusal(url: str) -> str:
    with pytest.raises(Misconfigured) as refused:
        await Connector(url).connect()
    assert len(refused.value.line.splitlines()) == 1
    return refused.value.line


@pytest.mark.parametrize("mode", ["", "?sslmode=allow", "?sslmode=prefer", "?sslmode=require", "?ssl=true"])
async def test_modes_that_verify_nothing_encrypt_where_the_server_can(server: Postgres, mode: str) -> None:
    assert await is_encrypted(f"{server.url(host='localhost')}{mode}")


@pytest.mark.parametrize(("mode", "host"), [("verify-full", "localhost"), ("verify-ca", "127.0.0.1")])
async def test_a_private_authority_is_trusted_where_the_url_names_it(
    server: Postgres, ca: Path, mode: str, host: str
) -> None:
    assert await is_encrypted(f"{server.url(host=host)}?sslmode={mode}&sslrootcert={ca}")


@pytest.mark.parametrize(
    "query", ["sslmode=verify-full", "sslrootcert=system", "sslmode=verify-full&sslrootcert=system"]
)
async def test_the_certificates_of_the_system_are_trusted_without_sslrootcert(
    server: Postgres, ca: Path, monkeypatch: pytest.MonkeyPatch, query: str
) -> None:
    url = f"{server.url(host='localhost')}?{query}"
    assert (
        "certificate of Postgres is refused: self-signed certificate in certificate chain"
        in await refusal(url)
    )
    monkeypatch.setenv("SSL_CERT_FILE", str(ca))
    assert await is_encrypted(url)


@pytest.mark.parametrize("mode", ["require", "verify-full"])
async def test_the_root_certificate_in_the_home_directory_counts_as_for_libpq(
    server: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".postgresql").mkdir()
    root = tmp_path / ".postgresql" / "root.crt"
    root.write_bytes(AUTHORITY.certificate)
    url = f"{server.url(host='localhost')}?sslmode={mode}"
    assert await is_encrypted(url)
    root.write_bytes(STRANGER.certificate)
    assert "the certificate of Postgres is refused" in await refusal(url)


@pytest.mark.parametrize("place", ["named", "at home"])
async def test_a_revoked_certificate_is_refused(
    server: Postgres, ca: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    url = f"{server.url(host='localhost')}?sslmode=verify-full&sslrootcert={ca}"
    (tmp_path / ".postgresql").mkdir()
    revoked = tmp_path / ".postgresql" / "root.crl"
    if place == "named":
        url += f"&sslcrl={revoked}"
    else:
        monkeypatch.setenv("HOME", str(tmp_path))
    revoked.write_bytes(AUTHORITY.revoke(AUTHORITY.issue("another").certificate))
    assert await is_encrypted(url)
    revoked.write_bytes(AUTHORITY.revoke(OWN.certificate))
    assert "the certificate of Postgres is refused: certificate revoked" in await refusal(url)


async def test_a_certificate_for_another_name_is_refused(server: Postgres, ca: Path) -> None:
    url = f"{server.url(host='127.0.0.1')}?sslmode=verify-full&sslrootcert={ca}"
    line = await refusal(url)
    assert line.startswith("AUTH_DATABASE_URL: the certificate of Postgres is refused: IP address mismatch")


async def test_a_certificate_of_the_client_is_its_login(server: Postgres, ca: Path, tmp_path: Path) -> None:
    await server.execute("CREATE ROLE secured LOGIN")
    pair = AUTHORITY.issue("secured")
    (tmp_path / "client.crt").write_bytes(pair.certificate)
    (tmp_path / "client.key").write_bytes(pair.key)
    url = f"{server.url('secured', host='localhost')}?sslmode=verify-full&sslrootcert={ca}"
    assert "certificate" in await failure(url)
    own = f"&sslcert={tmp_path / 'client.crt'}&sslkey={tmp_path / 'client.key'}"
    assert await is_encrypted(url + own)


async def failure(url: str) -> str:
    with pytest.raises(Exception, match=r".") as failed:
        await Connector(url).connect()
    return str(getattr(failed.value, "line", failed.value))


async def test_tls_may_begin_without_a_question(plain: Postgres, ca: Path, tmp_path: Path) -> None:
    pair, pem = AUTHORITY.issue("localhost", "localhost"), tmp_path / "front.pem"
    pem.write_bytes(pair.certificate + pair.key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    context.set_alpn_protocols(["postgresql"])
    spoken = []

    async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        spoken.append(writer.get_extra_info("ssl_object").selected_alpn_protocol())
        from_server, to_server = await asyncio.open_connection("127.0.0.1", plain.port)
        await asyncio.gather(_pump(reader, to_server), _pump(from_server, writer))

    front = await asyncio.start_server(forward, "127.0.0.1", 0, ssl=context)
    port = front.sockets[0].getsockname()[1]
    url = f"postgresql://postgres@localhost:{port}/postgres?sslmode=verify-full&sslrootcert={ca}"
    connection = await Connector(f"{url}&sslnegotiation=direct").connect()
    assert await connection.fetchval("SELECT 1") == 1
    await connection.close()
    assert spoken == ["postgresql"]
    front.close()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65_536):
        writer.write(data)
    writer.close()


async def test_a_server_without_tls_is_named_where_tls_is_asked_for(plain: Postgres) -> None:
    for query in ("sslmode=require", "sslmode=verify-full", "sslrootcert=system"):
        line = await refusal(f"{plain.url()}?{query}")
        assert line.startswith("AUTH_DATABASE_URL: the server offers no TLS, and sslmode asks for it; ")
    for mode in ("disable", "allow", "prefer"):
        assert not await is_encrypted(f"{plain.url()}?sslmode={mode}")


async def test_channel_binding_is_taken_with_the_password(server: Postgres) -> None:
    assert await is_encrypted(f"{server.url(host='localhost')}?sslmode=require&channel_binding=require")


def test_the_oldest_protocol_is_tls_1_2(server: Postgres) -> None:
    context = encryption(parse_url(server.url())).context
    assert context is not None
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2
