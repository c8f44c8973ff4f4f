"""URLs of Redis make clients; other URLs are refused with a reason."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from redis.asyncio import Redis, RedisCluster, SSLConnection
from redis.asyncio.sentinel import SentinelConnectionPool
from redis.exceptions import TimeoutError as RedisTimeoutError

from app.storage.redis.client import TIMEOUT, open_client
from app.storage.redis.connection import Address, SingleServer
from app.storage.redis.redis_py import Bounded
from app.storage.redis.revocations import IndexState, RevocationIndex
from app.storage.redis.throttling import FailureCounters
from app.wiring import utc_now
from tests.support.revocations import holding
from tests.support.servers import ISSUER
from tests.support.valkeys import Node, alone
from tests.support.waiting import until

LOGIN = "us%3Aer:p%40ss%2Fwo%3Ard"
LOGGED_IN = ("us:er", "p@ss/wo:rd")
DECODED = dict(zip(("username", "password"), LOGGED_IN, strict=True))
FILES = {"ssl_ca_certs": "/ca.pem", "ssl_certfile": "/own.pem", "ssl_keyfile": "/own.key"}
TLS = "ssl_ca_certs=/ca.pem&ssl_certfile=/own.pem&ssl_keyfile=%2Fown.key"
QUICK = {"socket_timeout": TIMEOUT, "socket_connect_timeout": TIMEOUT}
Options = dict[str, Any]


def single(url: str) -> tuple[Address, tuple[str, ...]]:
    """Where the server is, and the login of the next connection."""
    client = open_client(url)
    assert isinstance(client, SingleServer)
    return client.address, tuple(client.login())


def of_redis_py(url: str) -> Redis | RedisCluster:
    client = open_client(url)
    assert isinstance(client, Bounded)
    return client.client


def spoken(pool: Any) -> tuple[Options, bool]:
    """The options of the connections, with the login in clear, and whether they use TLS."""
    assert pool.connection_kwargs["retry"].get_retries() == 0
    return with_login(pool.connection_kwargs), issubclass(pool.connection_class, SSLConnection)


def with_login(options: Options) -> Options:
    provider = options.get("credential_provider")
    if provider is None:
        return options
    *user, password = provider.get_credentials()
    return options | {"password": password} | ({"username": user[0]} if user else {})


def watched(url: str) -> tuple[str, Options, list[tuple[Options, bool]], bool]:
    """The service, the options for its primary and for the Sentinels, and whether they use TLS."""
    client = of_redis_py(url)
    assert isinstance(client, Redis)
    pool = client.connection_pool
    assert isinstance(pool, SentinelConnectionPool)
    options, secured = spoken(pool)
    return (
        pool.service_name,
        options,
        [spoken(one.connection_pool) for one in pool.sentinel_manager.sentinels],
        secured,
    )


def clustered(url: str) -> tuple[list[tuple[str, int]], Options, bool]:
    client = of_redis_py(url)
    assert isinstance(client, RedisCluster)
    assert client.retry.get_retries() == 0
    options = with_login(client.connection_kwargs)
    nodes = [(node.host, int(node.port)) for node in client.startup_nodes]
    return nodes, options, issubclass(options["connection_class"], SSLConnection)


def test_a_server_is_named_by_host_port_and_database() -> None:
    assert single(f"redis://{LOGIN}@some.host:7000/5") == (Address("some.host", 7000, "", 5), LOGGED_IN)
    assert single("redis://some.host") == (Address("some.host", 6379), ())
    assert single("redis://some.host/")[0] == Address("some.host", 6379)
    assert single("redis://some.host?db=3")[0].database == 3
    assert single("redis://:secret@[::1]:7000") == (Address("::1", 7000), ("secret",))
    assert single("redis://")[0] == Address("localhost", 6379)
    socket = Address("", 0, "/a/path to.sock", 2)
    assert single("unix:///a/path%20to.sock?db=2") == (socket, ())
    assert single(f"unix://{LOGIN}@/a/path%20to.sock?db=2") == (socket, LOGGED_IN)


def test_tls_and_its_files_are_options_of_a_server() -> None:
    client = of_redis_py(f"rediss://{LOGIN}@some.host/1?{TLS}")
    assert isinstance(client, Redis)
    options, secured = spoken(client.connection_pool)
    assert options.items() >= (FILES | DECODED | QUICK | {"db": 1}).items()
    assert secured


def test_sentinels_are_named_by_their_hosts_and_their_service() -> None:
    service, primary, sentinels, secured = watched(f"redis+sentinel://{LOGIN}@one:7001,two,[::1]:7003/svc/4")
    assert (service, primary["db"], secured) == ("svc", 4, False)
    assert primary.items() >= (DECODED | QUICK).items()
    named = [(options["host"], options["port"]) for options, _ in sentinels]
    assert named == [("one", 7001), ("two", 26379), ("::1", 7003)]
    for options, secured in sentinels:
        # The Sentinels do not get the password of the servers.
        assert (options.get("username"), options.get("password"), options.get("db") or 0) == (None, None, 0)
        assert options.items() >= QUICK.items()
        assert not secured
    assert watched("redis+sentinel://one/svc")[1]["db"] == 0


def test_sentinels_may_have_a_login_and_use_tls() -> None:
    own = "sentinel_username=w%40tch&sentinel_password=m%2Bn"
    _, primary, sentinels, secured = watched(f"rediss+sentinel://{LOGIN}@one,two/svc/0?{own}&{TLS}")
    assert primary.items() >= (FILES | DECODED | QUICK).items()
    assert secured
    assert len(sentinels) == 2
    for options, secured in sentinels:
        assert options.items() >= (FILES | {"username": "w@tch", "password": "m+n"}).items()
        assert secured


def test_a_cluster_is_named_by_some_of_its_nodes() -> None:
    nodes, options, secured = clustered(f"redis+cluster://{LOGIN}@one:7001,two,[::1]:7003")
    assert nodes == [("one", 7001), ("two", 6379), ("::1", 7003)]
    assert options.items() >= (DECODED | QUICK).items()
    assert not secured
    nodes, options, secured = clustered(f"rediss+cluster://one/?{TLS}")
    assert nodes == [("one", 6379)]
    assert options.items() >= FILES.items()
    assert secured


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("", "form redis://"),
        ("localhost:6379", "form redis://"),
        ("http://host", "form redis://"),
        ("redis+http://host", ""),
        ("unix+sentinel://host/svc", ""),
        ("redis://host:port", "form redis://"),
        ("redis://host:99999", "form redis://"),
        ("redis://one:6379,two:6379/0", "form redis://"),
        ("redis://host?db=x", "form redis://"),
        ("rediss://host?db=x", "form redis://"),
        ("redis://host/x", "form redis://"),
        ("unix://", "form redis://"),
        ("redis://host?password=xyzzy", "understands db after the question mark, not password"),
        ("redis://host?ssl_ca_certs=/ca", "understands db after the question mark, not ssl_ca_certs"),
        ("rediss://host?ssl_cert_reqs=none", "not ssl_cert_reqs"),
        ("redis://host?socket_timeout=9", "not socket_timeout"),
        ("unix:///socket?username=x", "not username"),
        ("redis+sentinel://host/svc?db=1", "understands sentinel_password, sentinel_username"),
        ("redis+sentinel://host/svc?ssl_ca_certs=/ca", "not ssl_ca_certs"),
        ("redis+cluster://host?db=1", "understands nothing after the question mark, not db"),
        ("redis+sentinel://", "names no host"),
        ("redis+sentinel://one,,two/svc", "names no host"),
        ("redis+cluster://", "names no host"),
        ("redis+sentinel://host", "redis+sentinel://host:26379,host:26379/service/0"),
        ("redis+sentinel://host/", "redis+sentinel://host:26379,host:26379/service/0"),
        ("redis+sentinel://host/svc/x", "redis+sentinel://host:26379,host:26379/service/0"),
        ("redis+sentinel://host/svc/-1", "redis+sentinel://host:26379,host:26379/service/0"),
        ("redis+sentinel://host/svc/0/1", "redis+sentinel://host:26379,host:26379/service/0"),
        ("redis+sentinel://host:port/svc", ""),
        ("redis+cluster://host:99999", ""),
        ("redis+cluster://host/1", "a cluster has no databases"),
    ],
)
def test_a_url_of_another_form_is_refused(url: str, words: str) -> None:
    with pytest.raises(ValueError, match=r"\w") as refusal:
        open_client(url)
    assert words in str(refusal.value)
    assert "xyzzy" not in str(refusal.value)


@pytest.mark.parametrize("scheme", ["redis", "rediss", "redis+sentinel", "redis+cluster", "rediss+cluster"])
@pytest.mark.parametrize("between", ["/", "?", "#", "["])
def test_a_password_that_is_not_encoded_is_not_in_the_message(scheme: str, between: str) -> None:
    with pytest.raises(ValueError, match=r"\w") as refusal:
        open_client(f"{scheme}://user:xyzzy{between}plugh@host:6379/svc")
    assert "xyzzy" not in str(refusal.value)
    assert "plugh" not in str(refusal.value)


@pytest.fixture
def server() -> Iterator[Node]:
    with alone() as server:
        yield server


@pytest.mark.parametrize("known", [True, False])
async def test_tls_is_used_and_a_server_of_another_authority_is_not_trusted(
    server: Node, tmp_path: Path, known: bool
) -> None:
    own, other = certified(tmp_path / "own"), certified(tmp_path / "other")
    async with behind_tls(server, *own) as port:
        trusted = f"ssl_ca_certs={own[0]}&ssl_certfile={own[0]}&ssl_keyfile={own[1]}"
        query = trusted if known else f"ssl_ca_certs={other[0]}"
        index = RevocationIndex(f"rediss://127.0.0.1:{port}/0?{query}", ISSUER)

        async def live() -> dict[str, timedelta]:
            return {"revoked": timedelta(minutes=1)}

        async def is_believed() -> bool:
            return (
                await index.rebuild(holding(live)) is IndexState.TRUSTED
                and await index.find(["revoked"]) is True
            )

        if known:
            await until(is_believed)
        else:
            assert await index.rebuild(holding(live)) is IndexState.UNREACHABLE
            assert await index.find(["revoked"]) is None
        await index.close()


@pytest.mark.parametrize(
    "made",
    [partial(RevocationIndex, issuer=ISSUER), partial(FailureCounters, issuer=ISSUER, clock=utc_now)],
)
async def test_a_server_that_does_not_confirm_the_end_of_a_connection_is_no_failure(
    monkeypatch: pytest.MonkeyPatch, made: Callable[[str], RevocationIndex | FailureCounters]
) -> None:
    """As with TLS, which waits for the other side; redis-py then raises an error of its own."""
    asked = []

    async def aclose(_: Redis) -> None:
        asked.append(True)
        raise RedisTimeoutError("Timed out closing connection after 0.05")

    monkeypatch.setattr(Redis, "aclose", aclose)
    await made("rediss://127.0.0.1:1/0").close()
    assert asked


def certified(folder: Path) -> tuple[Path, Path]:
    """A self-signed certificate of 127.0.0.1, and its key."""
    folder.mkdir()
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a server")])
    address = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    signed = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(address, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    (folder / "cert").write_bytes(signed.public_bytes(pem))
    (folder / "key").write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain))
    return folder / "cert", folder / "key"


@asynccontextmanager
async def behind_tls(server: Node, certificate: Path, key: Path) -> AsyncIterator[int]:
    """Open a port that takes TLS from clients with the same certificate, and forwards to the server."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    context.load_verify_locations(certificate)
    context.verify_mode = ssl.CERT_REQUIRED

    async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while piece := await reader.read(65536):
                writer.write(piece)
        writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", server.port)
        await asyncio.gather(copy(reader, inner_writer), copy(inner_reader, writer))
        await asyncio.gather(writer.wait_closed(), inner_writer.wait_closed(), return_exceptions=True)

    listening = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    async with listening:
        yield listening.sockets[0].getsockname()[1]
