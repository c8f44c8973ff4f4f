"""Service clients for the tests, and what they send: secrets, and assertions put together byte by byte."""

import json
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from os import urandom
from typing import Any
from urllib.parse import quote_plus
from uuid import UUID, uuid4

import httpx2
import jwt
from cryptography.hazmat.primitives.asymmetric import ec

from app.crypto.keys import thumbprint
from app.features.clients.crypto import digest, new_secret
from tests.support.database import Sql
from tests.support.servers import ISSUER
from tests.support.tokens import b64, members

JWT_BEARER = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
GRANT = {"grant_type": "client_credentials"}


@dataclass(frozen=True, slots=True)
class ServiceClient:
    """A client of its own for one test."""

    id: UUID
    name: str
    secret: str


async def new_client(sql: Sql, *scopes: str, keys: tuple[Mapping[str, str], ...] = ()) -> ServiceClient:
    """A client with a secret, and with these public keys."""
    client_id = uuid4()
    client = ServiceClient(client_id, f"c{client_id.hex}", new_secret(client_id, urandom(32)))
    await sql.execute(
        """INSERT INTO service_clients (id, name, scopes, secret_hash, secret_created_at, public_keys)
           VALUES ($1, $2, $3, $4, now(), $5)""",
        *(client.id, client.name, list(scopes), digest(client.secret), json.dumps(keys)),
    )
    return client


def basic(user: object, password: str) -> dict[str, str]:
    """The header of ``client_secret_basic`` (RFC 6749 section 2.3.1)."""
    pair = f"{quote_plus(str(user))}:{quote_plus(password)}"
    return {"Authorization": f"Basic {b64encode(pair.encode()).decode()}"}


def proof(client: ServiceClient) -> dict[str, str]:
    return basic(client.id, client.secret)


async def token_of(http: httpx2.AsyncClient, client: ServiceClient, **form: str) -> str:
    """A new access token of the client."""
    answer = await http.post("/token", data=GRANT | form, headers=proof(client))
    assert answer.status_code == 200, answer.text
    return str(answer.json()["access_token"])


def oauth_error(answer: httpx2.Response, status: int, error: str) -> str:
    """The description of an error in the form of RFC 6749 section 5.2, after a look at its form."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers.get("www-authenticate", "").partition(" ")[0] == {
        "invalid_client": "Basic",
        "invalid_token": "Bearer",
        "insufficient_scope": "Bearer",
    }.get(error, "")
    body: dict[str, str] = answer.json()
    assert body.keys() == {"error", "error_description"}
    assert body["error"] == error
    return body["error_description"]


@dataclass(frozen=True, slots=True)
class Signer:
    """The private key of a client, and what it takes to sign assertions right and wrong."""

    private_key: Any
    alg: str = "ES256"

    @property
    def jwk(self) -> dict[str, str]:
        """The public key as it is registered."""
        public: Mapping[str, Any] = _algorithm(self.alg).to_jwk(self.private_key.public_key(), as_dict=True)
        plain = {name: str(public[name]) for name in public if name in {"kty", "n", "e", "crv", "x", "y"}}
        return plain | {"kid": thumbprint(plain), "alg": self.alg}

    def header(self) -> dict[str, Any]:
        return {"alg": self.alg, "kid": self.jwk["kid"], "typ": "client-authentication+jwt"}

    def assertion(
        self, client: ServiceClient, header: bytes | None = None, payload: bytes | None = None
    ) -> str:
        """A good assertion apart from what is given; the signature is over what it says."""
        head = members(self.header()) if header is None else header
        body = members(claims_of(client)) if payload is None else payload
        signing_input = f"{b64(head)}.{b64(body)}".encode()
        signature = _algorithm(self.alg).sign(signing_input, self.private_key)
        return f"{signing_input.decode()}.{b64(signature)}"


def _algorithm(name: str) -> Any:
    return jwt.get_algorithm_by_name("EdDSA" if name == "Ed25519" else name)


def new_signer() -> Signer:
    return Signer(ec.generate_private_key(ec.SECP256R1()))


def claims_of(client: ServiceClient) -> dict[str, Any]:
    """What the client would claim this second."""
    now = int(datetime.now(UTC).timestamp())
    return {
        "iss": str(client.id),
        "sub": str(client.id),
        "aud": ISSUER,
        "iat": now,
        "exp": now + 60,
        "jti": uuid4().hex,
    }


def asserting(assertion: str) -> dict[str, str]:
    """The parameters of ``private_key_jwt`` (RFC 7523 section 2.2)."""
    return {"client_assertion_type": JWT_BEARER, "client_assertion": assertion}
