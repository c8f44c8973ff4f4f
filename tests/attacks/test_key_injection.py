"""A token that brings its own key, or the address of one: the key is not used and the address not asked."""

import asyncio
import json
from base64 import b64encode
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from app.dev import Servers
from tests.support.people import me
from tests.support.processes import PATIENCE
from tests.support.servers import NO_TLS, Service
from tests.support.tokens import Mint, assert_refused, b64, members, mint_for_somebody, rs256

pytestmark = pytest.mark.requirement("T6")

KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
KID = "a-strangers-key"
JWK = {
    "kty": "RSA",
    "kid": KID,
    "use": "sig",
    "alg": "RS256",
    "e": "AQAB",
    "n": b64(KEY.public_key().public_numbers().n.to_bytes(256)),
}


def _certificate() -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(KEY.public_key())
    builder = builder.serial_number(1).not_valid_before(now).not_valid_after(now + timedelta(days=1))
    return builder.sign(KEY, SHA256())


CERTIFICATE = _certificate()


@dataclass
class Listener:
    """A web server of the attacker's, which counts its visitors."""

    port: int = 0
    visitors: int = 0
    _body: bytes = field(default=json.dumps({"keys": [JWK]}).encode(), repr=False)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/keys"

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.visitors += 1
        await reader.readuntil(b"\r\n\r\n")
        head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(self._body)}\r\nConnection: close\r\n\r\n"
        writer.write(head.encode() + self._body)
        await writer.drain()
        writer.close()


@asynccontextmanager
async def _listening() -> AsyncIterator[Listener]:
    listener = Listener()
    async with await asyncio.start_server(listener.answer, "127.0.0.1", 0) as server:
        listener.port = server.sockets[0].getsockname()[1]
        yield listener


@pytest.fixture
async def listener() -> AsyncIterator[Listener]:
    async with _listening() as listener:
        yield listener


@pytest.fixture(scope="module")
async def mint(service: Service, migrated: Servers) -> Mint:
    return await mint_for_somebody(service, migrated.database_url)


Member = Callable[[Listener], object]
MEMBERS: dict[str, Member] = {
    "jwk": lambda _: JWK,
    "jku": lambda listener: listener.url,
    "x5u": lambda listener: listener.url,
    "x5c": lambda _: [b64encode(CERTIFICATE.public_bytes(Encoding.DER)).decode()],
    "x5t": lambda _: b64(CERTIFICATE.fingerprint(SHA256())),
}


@pytest.mark.parametrize("name", MEMBERS)
@pytest.mark.parametrize("kid", ["the stranger's kid", "the service's kid", "no kid"])
async def test_a_key_that_the_token_brings_is_not_used_and_its_address_not_asked(
    client: httpx.AsyncClient, mint: Mint, listener: Listener, name: str, kid: str
) -> None:
    kids = {"the stranger's kid": json.dumps(KID), "the service's kid": json.dumps(mint.kid), "no kid": None}
    header = members(mint.header, kid=kids[kid], **{name: json.dumps(MEMBERS[name](listener))})

    await assert_refused(client, mint.token(header=header, sign=rs256(KEY)))

    assert listener.visitors == 0


@pytest.mark.parametrize("name", MEMBERS)
async def test_a_good_token_with_such_a_member_is_checked_with_the_service_s_own_key(
    client: httpx.AsyncClient, mint: Mint, listener: Listener, name: str
) -> None:
    token = mint.headed(**{name: json.dumps(MEMBERS[name](listener))})

    assert (await me(client, token)).status_code == 200
    assert listener.visitors == 0


async def test_the_listener_would_have_noticed_a_visitor(listener: Listener) -> None:
    async with httpx.AsyncClient(verify=NO_TLS, trust_env=False, timeout=PATIENCE) as visitor:
        assert (await visitor.get(listener.url)).json() == {"keys": [JWK]}

    assert listener.visitors == 1
