"""Writes access tokens and status lists for verifiers in any language to contract/tokens.

    make vectors

Keys, time and issuer are fixed, so the files are the same on every machine.
"""

import json
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import cast

from cryptography.hazmat.primitives.serialization import load_pem_private_key

from conformance.attack import LEEWAY
from conformance.attacks import attacks
from conformance.claims import ACCEPTED, ELSEWHERE
from conformance.minting import Mint, Private, SigningKey, b64, joined

FOLDER = Path(__file__).parents[1] / "contract/tokens"
KEYS = Path(__file__).parent / "vector_keys"
ISSUER, AUDIENCE = "https://auth.example.com", "https://orders.example.com"
NOW = 1_790_000_000
LIST = f"{ISSUER}/status/0"


def key(name: str, algorithm: str) -> SigningKey:
    """A fixed key pair; its name is its ``kid``."""
    private = load_pem_private_key((KEYS / f"{name}.pem").read_bytes(), None)
    return SigningKey(name, algorithm, cast("Private", private))


RSA, EC, ED = key("rs256", "RS256"), key("es256", "ES256"), key("eddsa", "EdDSA")
STRANGER = key("stranger", "RS256")


def mint(signer: SigningKey = RSA) -> Mint:
    """A mint of the issuer at the fixed time."""
    return Mint(ISSUER, AUDIENCE, signer, lambda: float(NOW))


def files() -> dict[str, str]:
    """The text of each file by its name."""
    accepted = {name: make(mint()) for name, make in ACCEPTED.items()} | {
        "signed with ES256": mint(EC).token(),
        "signed with EdDSA": mint(ED).token(),
    }
    elsewhere = {name: make(mint()) for name, make in ELSEWHERE.items()}
    return {
        "good.json": _text("Every verifier accepts these.", tokens=_accepted(accepted)),
        "bad.json": _text(
            "Every verifier refuses these; `reason` is the first rule that breaks.", tokens=_bad()
        ),
        "elsewhere.json": _text(
            "RFC 9068 allows these. Watchword never issues them, so its own verification refuses them.",
            tokens=_accepted(elsewhere),
        ),
        "status_lists.json": _text(
            "Status list tokens for this `uri`. `statuses` are the values at the indexes, null out of range.",
            uri=LIST,
            lists=[*_lists()],
        ),
    }


def _text(about: str, **members: object) -> str:
    common = {
        "about": about,
        "issuer": ISSUER,
        "audience": AUDIENCE,
        "now": NOW,
        "leeway": LEEWAY,
        "jwks": {"keys": [one.jwk for one in (RSA, EC, ED)]},
    }
    return json.dumps(common | members, indent=1) + "\n"


def _accepted(tokens: Mapping[str, str]) -> list[dict[str, object]]:
    return [{"name": name, "verdict": "accepted", "token": token} for name, token in tokens.items()]


def _bad() -> list[dict[str, object]]:
    # A PS256 signature has a random salt, and would be another one each time.
    return [
        {"name": name, "verdict": "refused", "reason": attack.reason, "token": attack.make(mint())}
        for name, attack in attacks(STRANGER).items()
        if "PS256" not in name
    ]


def _lists() -> Iterator[dict[str, object]]:
    for name, bits, values in (("one bit", 1, [0, 1, 0, 0, 1, 0, 0, 1, 1]), ("two bits", 2, [0, 1, 2, 3, 0])):
        statuses = {str(index): value for index, value in enumerate(values)} | {"1000": None}
        yield {"name": name, "verdict": "accepted", "document": _list(bits, values), "statuses": statuses}
    good = [0, 1, 0]
    refused: dict[str, Callable[[], str]] = {
        "signed by a stranger": lambda: _list(1, good, signer=SigningKey("rs256", "RS256", STRANGER.private)),
        "signed by a key that is not published": lambda: _list(1, good, signer=STRANGER),
        "an access token": lambda: _list(1, good, typ="at+jwt"),
        "of another list": lambda: _list(1, good, sub=f"{ISSUER}/status/1"),
        "expired": lambda: _list(1, good, exp=NOW),
        "of another issuer": lambda: _list(1, good, iss="https://other.example.com"),
        "three bits": lambda: _list(3, good),
        "not compressed": lambda: _list(1, good, pack=lambda data: data),
        "cut": lambda: _list(1, good, pack=lambda data: zlib.compress(data, 0)[:-1]),
        "something behind": lambda: _list(1, good, pack=lambda data: zlib.compress(data, 0) + b"x"),
    }
    for name, make in refused.items():
        yield {"name": name, "verdict": "refused", "document": make()}


def _list(
    bits: int,
    values: list[int],
    *,
    signer: SigningKey = RSA,
    typ: str = "statuslist+jwt",
    pack: Callable[[bytes], bytes] = lambda data: zlib.compress(data, 0),
    **claims: object,
) -> str:
    """A signed list; without compression, whose bytes differ between versions of zlib."""
    packed = bytearray(8)
    for index, value in enumerate(values):
        packed[index * bits // 8] |= value << (index * bits % 8)
    header = {"alg": signer.algorithm, "kid": signer.kid, "typ": typ}
    payload = {
        "iss": ISSUER,
        "sub": LIST,
        "iat": NOW,
        "exp": NOW + 300,
        "ttl": 5,
        "status_list": {"bits": bits, "lst": b64(pack(bytes(packed)))},
    } | claims
    return joined(json.dumps(header).encode(), json.dumps(payload).encode(), signer.sign)


if __name__ == "__main__":
    for name, text in files().items():
        (FOLDER / name).write_text(text, encoding="utf-8")
