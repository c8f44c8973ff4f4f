"""Access tokens put together by a test, byte by byte, with keys of the service's own database.

Signatures come from cryptography alone, so that a token of any shape can be had, and a good one as well.
"""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeAlias
from uuid import UUID, uuid4

import httpx2
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256

from app.crypto.keys import KeyMaker, PrivateKey
from app.crypto.secrets import ServiceSecrets
from app.domain.keys import Algorithm, KeyState, SealedKey, SigningKey
from tests.support.database import Sql, connect
from tests.support.people import login, new_person
from tests.support.servers import ISSUER, TEST_SECRET, Service
from tests.support.waiting import client_of

LIFETIME, LEEWAY = 900, 30
"""Seconds, as the settings have them when nothing else is said."""

Sign: TypeAlias = Callable[[bytes], bytes]


def b64(data: bytes) -> str:
    return urlsafe_b64encode(data).decode().rstrip("=")


def unb64(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


def rs256(key: rsa.RSAPrivateKey) -> Sign:
    return lambda signing_input: key.sign(signing_input, padding.PKCS1v15(), SHA256())


def joined(header: bytes, payload: bytes, sign: Sign) -> str:
    """The two in compact serialisation, signed as they are."""
    signing_input = f"{b64(header)}.{b64(payload)}"
    return f"{signing_input}.{b64(sign(signing_input.encode()))}"


def members(values: Mapping[str, Any], **as_json: str | None) -> bytes:
    """A JSON object of ``values``, some of them replaced by a piece of JSON text or left out."""
    written = {name: json.dumps(value) for name, value in values.items()} | as_json
    return (
        "{" + ",".join(f'"{name}":{text}' for name, text in written.items() if text is not None) + "}"
    ).encode()


@dataclass(frozen=True, slots=True)
class Mint:
    """What it takes to write the access token of one living session, and to write it wrong."""

    kid: str
    private_key: rsa.RSAPrivateKey
    standby: SealedKey
    account_id: UUID
    session_id: UUID

    @property
    def sign(self) -> Sign:
        return rs256(self.private_key)

    @property
    def standby_sign(self) -> Sign:
        key = opened(self.standby)
        assert isinstance(key, rsa.RSAPrivateKey)
        return rs256(key)

    @property
    def header(self) -> dict[str, Any]:
        return {"alg": "RS256", "kid": self.kid, "typ": "at+jwt"}

    @property
    def claims(self) -> dict[str, Any]:
        """What the service would claim if it issued a token this second."""
        now = int(datetime.now(UTC).timestamp())
        return {
            "iss": ISSUER,
            "aud": ISSUER,
            "sub": str(self.account_id),
            "iat": now,
            "nbf": now - LEEWAY,
            "exp": now + LIFETIME,
            "jti": uuid4().hex,
            "sid": str(self.session_id),
            "client_id": "native",
            "roles": ["admin"],
            "auth_time": now,
            "amr": ["pwd"],
        }

    def token(
        self, header: bytes | None = None, payload: bytes | None = None, sign: Sign | None = None
    ) -> str:
        """A good token, apart from what is given; whatever it says, the signature is over it."""
        return joined(
            members(self.header) if header is None else header,
            members(self.claims) if payload is None else payload,
            sign or self.sign,
        )

    def headed(self, **as_json: str | None) -> str:
        """A token whose header differs in these members, given as JSON text."""
        return self.token(header=members(self.header, **as_json))

    def claiming(self, **as_json: str | None) -> str:
        """A token whose payload differs in these members, given as JSON text."""
        return self.token(payload=members(self.claims, **as_json))


async def sealed_keys(sql: Sql) -> dict[KeyState, SigningKey]:
    """The keys of a fresh database, which has at most one in each state."""
    rows = [dict(row) for row in await sql.fetch("SELECT * FROM signing_keys")]
    keys = [
        SigningKey(
            **row | {"algorithm": Algorithm(row["algorithm"]), "public_jwk": json.loads(row["public_jwk"])}
        )
        for row in rows
    ]
    return {key.state: key for key in keys}


def opened(key: SealedKey) -> PrivateKey:
    """The private key, as whoever knows the service's secret can open it."""
    return KeyMaker(ServiceSecrets([unb64(TEST_SECRET.rstrip("="))])).open(key)


async def mint_for_somebody(service: Service, database_url: str) -> Mint:
    """A mint for the session that somebody opens now at this service, which signs with RS256."""
    sql = await connect(database_url)
    try:
        person = await new_person(sql)
        keys = await sealed_keys(sql)
    finally:
        await sql.close()
    async with client_of(service) as client:
        issued = (await login(client, person)).json()["access_token"]
    private_key = opened(keys[KeyState.SIGNING])
    assert isinstance(private_key, rsa.RSAPrivateKey)
    session_id = UUID(json.loads(unb64(issued.split(".")[1]))["sid"])
    return Mint(keys[KeyState.SIGNING].kid, private_key, keys[KeyState.STANDBY], person.id, session_id)


async def assert_refused(client: httpx2.AsyncClient, token: str | bytes) -> None:
    """The one answer to every access token that does not hold."""
    raw = token if isinstance(token, bytes) else token.encode()
    answer = await client.get("/me", headers=[(b"Authorization", (b"Bearer " + raw).rstrip(b" "))])
    assert answer.status_code == 401, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.headers["WWW-Authenticate"] == 'Bearer error="invalid_token"'
    assert answer.json()["code"] == "invalid_token"
