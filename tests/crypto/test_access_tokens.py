"""Access tokens are signed and parsed; the tests of ``http`` cover what only a request can show."""

import json
from datetime import UTC, datetime, timedelta
from secrets import token_urlsafe
from uuid import UUID

import joserfc.jws
import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from hypothesis import example, given
from hypothesis import strategies as st
from joserfc.jwk import import_key

from app.crypto.access_tokens import MAX_LENGTH, TOKEN_ID_LENGTH, Signer, Verifier, parse_jws
from app.crypto.keys import KeyMaker
from app.crypto.secrets import ServiceSecrets
from app.domain.access_tokens import MAX_NAME_SIZE, MAX_ROLES_SIZE, TokenPolicy, claims, size_of
from app.domain.keys import Algorithm, KeyKind, SealedKey
from app.domain.sessions import ClientKind, SessionGrant
from tests.support.tokens import b64, joined, members, unb64

MAKER = KeyMaker(ServiceSecrets([b"a secret of the tests, 32 bytes."]))
KEYS = {
    algorithm: MAKER.make(KeyKind(algorithm, 2048 if algorithm is Algorithm.RS256 else None))
    for algorithm in Algorithm
}
VERIFIER = Verifier({key.kid: key.public_jwk for key in KEYS.values()})
CLAIMS = {"sub": "an-account", "n": 1, "list": ["\u00e9"]}
PLAIN = json.dumps(CLAIMS).encode()

pytestmark = pytest.mark.filterwarnings("ignore:EdDSA is deprecated:joserfc.errors.SecurityWarning")


def claims_of(token: str, verifier: Verifier = VERIFIER) -> dict[str, object] | None:
    """The claims of a token as the service reads them, or None."""
    jws = parse_jws(token)
    return None if jws is None else verifier.payload(jws)


def signer(key: SealedKey) -> Signer:
    return Signer(key.kid, key.algorithm, MAKER.open(key))


TOKEN = signer(KEYS[Algorithm.RS256]).sign(CLAIMS)
EDDSA = KEYS[Algorithm.EDDSA]


@pytest.fixture(params=list(Algorithm))
def key(request: pytest.FixtureRequest) -> SealedKey:
    return KEYS[request.param]


def sign(signing_input: bytes) -> bytes:
    private_key = MAKER.open(EDDSA)
    assert isinstance(private_key, ed25519.Ed25519PrivateKey)
    return private_key.sign(signing_input)


def token_with(payload: bytes = PLAIN, /, **as_json: str | None) -> str:
    """A correctly signed EdDSA token with another payload or other header members."""
    header = {"alg": "EdDSA", "kid": EDDSA.kid, "typ": "at+jwt"}
    return joined(members(header, **as_json), payload, sign)


def test_a_signed_token_is_accepted(key: SealedKey) -> None:
    assert claims_of(signer(key).sign(CLAIMS)) == CLAIMS


def test_another_library_accepts_a_signed_token(key: SealedKey) -> None:
    read = joserfc.jws.deserialize_compact(
        signer(key).sign(CLAIMS), import_key(dict(key.public_jwk)), algorithms=[key.algorithm.value]
    )

    assert json.loads(read.payload) == CLAIMS
    assert read.protected == {"alg": key.algorithm.value, "kid": key.kid, "typ": "at+jwt"}


def test_a_token_built_by_this_test_is_accepted() -> None:
    assert claims_of(token_with()) == CLAIMS
    assert claims_of(token_with(x="1")) == CLAIMS


@pytest.mark.parametrize("bit", [0, 7, 100, 255, 511])
def test_a_signature_with_a_bit_flipped_is_refused(key: SealedKey, bit: int) -> None:
    signed, _, signature = signer(key).sign(CLAIMS).rpartition(".")
    damaged = bytearray(unb64(signature))
    damaged[bit // 8] ^= 1 << bit % 8

    assert claims_of(f"{signed}.{b64(bytes(damaged))}") is None


@pytest.mark.parametrize("length", [1, 32, 63, 64, 65, 128, 256, 512])
@pytest.mark.parametrize("byte", [b"\0", b"\xff"])
def test_a_meaningless_signature_is_refused_without_an_error(
    key: SealedKey, byte: bytes, length: int
) -> None:
    signed = signer(key).sign(CLAIMS).rpartition(".")[0]

    assert claims_of(f"{signed}.{b64(byte * length)}") is None


def test_an_ecdsa_signature_in_der_is_refused() -> None:
    signed, _, signature = signer(KEYS[Algorithm.ES256]).sign(CLAIMS).rpartition(".")
    halves = unb64(signature)
    der = encode_dss_signature(int.from_bytes(halves[:32]), int.from_bytes(halves[32:]))

    assert claims_of(f"{signed}.{b64(der)}") is None


@pytest.mark.requirement("T1")
@pytest.mark.parametrize("other", list(Algorithm))
@pytest.mark.parametrize("alg", list(Algorithm))
def test_a_key_verifies_only_the_algorithm_that_it_was_made_for(other: Algorithm, alg: Algorithm) -> None:
    header = {"alg": alg.value, "kid": KEYS[other].kid, "typ": "at+jwt"}

    token = joined(json.dumps(header).encode(), b"{}", sign)

    assert (claims_of(token) is not None) is (alg is other is Algorithm.EDDSA)


def test_a_key_that_is_not_published_verifies_nothing(key: SealedKey) -> None:
    others = Verifier({other.kid: other.public_jwk for other in KEYS.values() if other is not key})

    assert claims_of(signer(key).sign(CLAIMS), others) is None
    assert (others.knows(key.kid), VERIFIER.knows(key.kid)) == (False, True)


@pytest.mark.parametrize("kid", [None, "null", "1", "[]", "{}", '""', '"unknown"'])
def test_a_header_without_a_published_kid_is_refused(kid: str | None) -> None:
    assert claims_of(token_with(kid=kid)) is None


@pytest.mark.requirement("T2")
@pytest.mark.parametrize("typ", [None, "null", '"JWT"', '"application/at+jwt"', '["at+jwt"]'])
def test_another_type_of_token_is_refused(typ: str | None) -> None:
    assert claims_of(token_with(typ=typ)) is None


@pytest.mark.requirement("T7")
@pytest.mark.parametrize("name", ["crit", "b64", "zip", "cty", "enc"])
@pytest.mark.parametrize("value", ["null", "[]", "true", '"DEF"'])
def test_a_header_member_that_changes_the_meaning_of_the_token_is_refused(name: str, value: str) -> None:
    assert claims_of(token_with(**{name: value})) is None


@pytest.mark.parametrize(
    "payload",
    [
        b"[]",
        b'"text"',
        b"1",
        b"null",
        b"{",
        b"{} {}",
        b"\xff",
        b"\xef\xbb\xbf{}",
        "{}".encode("utf-16"),
        b'{"a":1,"a":1}',
        b'{"x":{"a":1,"a":2}}',
        b'{"x":NaN}',
        b'{"x":-Infinity}',
        b'{"x":' + b"9" * 4301 + b"}",
        b'{"x":' + b"[" * 2500 + b"]" * 2500 + b"}",
    ],
)
def test_a_payload_that_is_not_one_valid_json_object_is_refused(payload: bytes) -> None:
    token = token_with(payload)

    assert len(token) <= MAX_LENGTH
    assert claims_of(token) is None


@pytest.mark.parametrize("space", ["\n", "\r\n", " ", "\t", "\0", "\u00a0", "\u2028", "=", "==", "."])
def test_extra_characters_before_after_or_within_a_token_are_refused(space: str) -> None:
    assert claims_of(TOKEN) == CLAIMS
    assert claims_of(TOKEN + space) is None
    assert claims_of(space + TOKEN) is None
    assert claims_of(TOKEN[:10] + space + TOKEN[10:]) is None
    assert claims_of(TOKEN[:-10] + space + TOKEN[-10:]) is None


def test_full_width_digits_are_not_accepted_as_base64url() -> None:
    wide = {ord(letter): chr(ord(letter) + 0xFEE0) for letter in "0123456789"}

    assert claims_of(TOKEN.translate(wide)) is None


@pytest.mark.parametrize("part", [0, 1, 2])
def test_a_part_with_an_impossible_base64_length_is_refused(part: int) -> None:
    parts = [b64(json.dumps({"alg": "EdDSA", "kid": EDDSA.kid, "typ": "at+jwt"}).encode()), b64(b"{}")]
    if part < 2:
        parts[part] = "A" * 41
    signature = b64(sign(".".join(parts).encode()))
    parts.append(signature[:85] if part == 2 else signature)

    assert claims_of(".".join(parts)) is None


@pytest.mark.requirement("T9")
def test_a_token_of_the_maximum_length_is_accepted_and_a_longer_one_refused() -> None:
    # Not every length is possible by padding the payload alone, so the header is padded as well.
    by_length = {
        len(token): token
        for in_header in range(3)
        for in_payload in range(5900, 6050)
        if (token := token_with(members({"x": "p" * in_payload}), x=f'"{"h" * in_header}"'))
    }

    assert MAX_LENGTH == 8192
    assert claims_of(by_length[MAX_LENGTH]) is not None
    assert claims_of(by_length[MAX_LENGTH + 1]) is None


@pytest.mark.requirement("T9")
@pytest.mark.parametrize("character", ["a", "\u20ac", '"', "\n"])
def test_the_largest_token_that_is_issued_is_one_that_is_read(character: str) -> None:
    """The settings and the roles are at their limits, and the key is the largest one."""
    each = size_of(character) - 2
    name = character * ((MAX_NAME_SIZE - 2) // each)
    roles = ["r" * 64] * 60 + ["r" * 35, "r" * 34]
    assert (size_of(name) > MAX_NAME_SIZE - each - 1, size_of(roles)) == (True, MAX_ROLES_SIZE)
    latest = datetime(9999, 1, 1, tzinfo=UTC)
    grant = SessionGrant(
        session_id=UUID(int=1),
        account_id=UUID(int=2),
        client=ClientKind.BROWSER,
        roles=tuple(roles),
        amr=("pwd", "otp", "mfa", "hwk"),
        authenticated_at=latest,
        expires_at=latest,
        signing_kid=None,
    )
    policy = TokenPolicy(name, name, timedelta(hours=1), timedelta(minutes=1))
    token_id = token_urlsafe(TOKEN_ID_LENGTH)
    token = signer(KEYS[Algorithm.RS256]).sign(claims(grant, policy, token_id, now=latest))
    shorter, largest = (-(-bits * 4 // 8 // 3) for bits in (2048, 4096))
    assert len(token) + largest - shorter <= MAX_LENGTH


@pytest.mark.parametrize("claim", ["", "plain", "\u20ac", '"\\', "\x00\n\x1f", ["a", "b:c"], []])
def test_the_size_of_a_claim_is_what_it_takes_in_the_payload(claim: str | list[str]) -> None:
    token = signer(EDDSA).sign({"x": claim})
    assert len(unb64(token.split(".")[1])) == len(b'{"x":}') + size_of(claim)


@pytest.mark.requirement("T9")
@given(st.text() | st.from_regex(r"[A-Za-z0-9_-]{1,40}(\.[A-Za-z0-9_-]{1,40}){0,4}", fullmatch=True))
@example("")
@example("..")
@example("\ud800")
@example("A.A.A")
def test_any_other_text_is_refused_without_an_error(text: str) -> None:
    assert claims_of(text) is None


@pytest.mark.requirement("T1")
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.lists(inner, max_size=3)
    )
)
def test_any_other_value_of_alg_is_refused(value: object) -> None:
    assert claims_of(token_with(alg=json.dumps(value))) is None


@pytest.mark.requirement("T8")
@pytest.mark.parametrize("part", [0, 1, 2])
def test_a_part_whose_unused_bits_are_not_zero_is_refused(part: int) -> None:
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    header = json.dumps({"alg": "EdDSA", "kid": EDDSA.kid, "typ": "at+jwt"}).encode()
    # The length of each part is 1 modulo 3, as for an EdDSA signature, which leaves four unused bits.
    parts = [b64(text + b" " * ((1 - len(text)) % 3)) for text in (header, PLAIN)]

    def with_unused_bit(text: str, number: int) -> str:
        return text[:-1] + letters[letters.index(text[-1]) | 1] if number == part else text

    signed = ".".join(with_unused_bit(text, number) for number, text in enumerate(parts))

    assert claims_of(f"{'.'.join(parts)}.{b64(sign('.'.join(parts).encode()))}") == CLAIMS
    assert claims_of(f"{signed}.{with_unused_bit(b64(sign(signed.encode())), 2)}") is None


def test_a_header_that_was_accepted_as_one_type_is_not_accepted_as_another() -> None:
    for _ in range(2):
        assert parse_jws(TOKEN) is not None
        assert parse_jws(TOKEN, "JWT") is None
