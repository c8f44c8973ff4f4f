"""Refresh tokens on the wire; expected tokens are built from the design with hmac and struct alone."""

import hmac
import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256
from string import ascii_letters, digits
from uuid import UUID

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app.crypto.refresh_tokens import RefreshTokens
from app.crypto.secrets import ServiceSecret, ServiceSecrets
from app.domain.sessions import ClientKind, RefreshToken, Session, SessionGrant

OLD, NEW, FOREIGN = (sha256(name).digest() for name in (b"old", b"new", b"foreign"))
SESSION, SEED = UUID("5f1d7a52-9c2b-4a0e-8a53-1f0c2f8a3d11"), bytes(range(16))
TOKENS = RefreshTokens(ServiceSecrets([NEW, OLD]))
TOKEN = TOKENS.first(SESSION, SEED)
TEXT = TOKEN.text

generations = st.integers(0, 2**32 - 2)
seeds = st.binary(min_size=16, max_size=16)
secret_ids = st.sampled_from([ServiceSecret.of(NEW).id, ServiceSecret.of(OLD).id])


def in_family(secret_id: bytes, session_id: UUID, seed: bytes, generation: int) -> RefreshToken:
    return TOKENS.at(RefreshToken(secret_id, session_id, 0, seed, "", b""), generation)


def row(token: RefreshToken) -> Session:
    """The session whose current token this is."""
    now = datetime(2026, 7, 1, tzinfo=UTC)
    grant = SessionGrant(token.session_id, SESSION, ClientKind.NATIVE, (), ("pwd",), now, now, None)
    return Session(grant, token.generation, token.digest, (), None, now, revoked_at=None, is_barred=False)


tokens = st.builds(in_family, secret_ids, st.uuids(), seeds, generations)


def raw(text: str) -> bytes:
    return urlsafe_b64decode(text.removeprefix("wwr_"))


def text_of(secret: bytes, *, version: int = 1, secret_id: bytes | None = None) -> str:
    """A token with a valid mac by ``secret``, but any version and secret id."""
    derived = ServiceSecret.of(secret)
    body = struct.pack(">B4s16sI16s", version, secret_id or derived.id, SESSION.bytes, 0, SEED)
    mac = hmac.digest(derived.refresh_key, body, "sha256")[:16]
    return "wwr_" + urlsafe_b64encode(body + mac).decode()


def as_read(secret: bytes) -> RefreshToken:
    text = text_of(secret)
    return RefreshToken(ServiceSecret.of(secret).id, SESSION, 0, SEED, text, sha256(text.encode()).digest())


def test_a_token_has_the_layout_of_the_design() -> None:
    assert text_of(NEW) == TEXT
    assert len(TEXT) == 80
    assert raw(TEXT)[:5] == b"\x01" + ServiceSecret.of(NEW).id
    assert raw(TEXT)[5:41] == SESSION.bytes + bytes(4) + SEED


def test_the_first_token_of_a_session_has_generation_zero_and_the_newest_secret() -> None:
    assert as_read(NEW) == TOKEN


@given(tokens)
def test_a_written_token_is_read_back_and_has_80_characters(token: RefreshToken) -> None:
    text = token.text

    assert len(text) == 80
    assert set(text) <= set(ascii_letters + digits + "-_")
    assert TOKENS.read(text) == token


def test_the_generation_is_big_endian() -> None:
    assert raw(TOKENS.at(TOKEN, 258).text)[21:25] == b"\0\0\1\2"


def test_a_token_of_another_generation_is_otherwise_equal() -> None:
    other = TOKENS.at(TOKEN, 7)
    assert other.text != TOKEN.text
    assert other == replace(TOKEN, generation=7, text=other.text, digest=other.digest)


@pytest.mark.parametrize("generation", [-1, 2**32])
def test_a_generation_beyond_the_counter_is_an_error(generation: int) -> None:
    with pytest.raises(struct.error):
        TOKENS.at(TOKEN, generation)


def test_a_token_under_an_older_listed_secret_is_read() -> None:
    assert TOKENS.read(text_of(OLD)) == as_read(OLD)


def test_a_token_under_a_secret_that_is_not_listed_is_neither_read_nor_written() -> None:
    foreign = ServiceSecret.of(FOREIGN).id

    assert TOKENS.read(text_of(FOREIGN)) is None
    with pytest.raises(KeyError):
        TOKENS.at(replace(TOKEN, secret_id=foreign), 0)


def test_a_mac_made_with_another_secret_than_the_one_named_is_refused() -> None:
    assert TOKENS.read(text_of(OLD, secret_id=ServiceSecret.of(NEW).id)) is None


@pytest.mark.parametrize("version", [0, 2, 255])
def test_a_token_of_another_version_is_refused_even_with_a_valid_mac(version: int) -> None:
    assert TOKENS.read(text_of(NEW, version=version)) is None


@pytest.mark.parametrize("byte", range(57))
def test_a_token_with_any_bit_flipped_is_refused(byte: int) -> None:
    for bit in range(8):
        damaged = bytearray(raw(TEXT))
        damaged[byte] ^= 1 << bit

        assert TOKENS.read("wwr_" + urlsafe_b64encode(damaged).decode()) is None, bit


@pytest.mark.parametrize("position", range(80))
def test_a_token_with_any_character_replaced_is_refused(position: int) -> None:
    others = set(ascii_letters + digits + "-_+/=.! \n\u00e9\0") - {TEXT[position]}

    assert [
        text for other in others if TOKENS.read(text := TEXT[:position] + other + TEXT[position + 1 :])
    ] == []


@given(
    st.text(max_size=100)
    | st.text(ascii_letters + digits + "-_", min_size=76, max_size=76).map("wwr_".__add__)
)
@example("")
@example("wwr_")
@example("wwr_" + "!" * 76)
@example("wwr_" + "\u00e9" * 76)
@example("wwr_" + "\ud800" * 76)
@example("wwr_" + "=" * 76)
@example("wwr_" + "A" * 75 + "!")
def test_any_other_text_is_refused(text: str) -> None:
    assert TOKENS.read(text) is None


@pytest.mark.parametrize(
    "other",
    [
        TEXT + "=",
        TEXT + "\n",
        TEXT + "A",
        " " + TEXT,
        TEXT[:-1],
        TEXT[:-1] + "\n",
        TEXT.upper(),
        TEXT.swapcase(),
        TEXT.removeprefix("wwr_"),
        "WWR_" + TEXT[4:],
        "wwr-" + TEXT[4:],
        TEXT[:40] + "\n" + TEXT[40:],
        TEXT[:40] + "!" + TEXT[40:],
        "".join(chr(ord(letter) + 0xFEE0) for letter in TEXT),
    ],
)
def test_a_token_has_only_one_spelling(other: str) -> None:
    assert TOKENS.read(other) is None


def test_the_standard_base64_alphabet_is_refused() -> None:
    text = next(
        text
        for generation in range(1000)
        if "-" in (text := TOKENS.at(TOKEN, generation).text) and "_" in text[4:]
    )

    assert TOKENS.read(text) is not None
    assert TOKENS.read(text.replace("-", "+")) is None
    assert TOKENS.read("wwr_" + text[4:].replace("_", "/")) is None


def test_the_digest_is_of_the_token_as_text() -> None:
    assert TOKEN.digest == sha256(TEXT.encode()).digest()


@given(generations, generations)
def test_a_token_of_any_generation_is_genuine_if_its_seed_rebuilds_the_current_token(
    presented: int, current: int
) -> None:
    assert TOKENS.is_genuine(TOKENS.at(TOKEN, presented), row(TOKENS.at(TOKEN, current)))


@pytest.mark.parametrize(
    "forged",
    [
        in_family(TOKEN.secret_id, SESSION, bytes(16), 0),
        in_family(TOKEN.secret_id, UUID(int=1), SEED, 0),
        in_family(ServiceSecret.of(OLD).id, SESSION, SEED, 0),
    ],
    ids=["another seed", "another session", "another secret"],
)
def test_a_token_with_a_valid_mac_but_another_seed_session_or_secret_is_not_genuine(
    forged: RefreshToken,
) -> None:
    assert TOKENS.read(forged.text) == forged
    assert not TOKENS.is_genuine(forged, row(TOKEN))


def test_a_token_is_not_genuine_if_the_row_has_another_generation() -> None:
    assert not TOKENS.is_genuine(TOKEN, replace(row(TOKEN), generation=1))


def test_the_seed_is_not_in_the_repr() -> None:
    shown = repr(TOKEN)

    assert TEXT not in shown
    assert "seed" not in shown
    assert repr(SEED)[2:-1] not in shown


def test_a_token_of_the_last_generation_is_refused_since_it_has_no_successor() -> None:
    tokens = RefreshTokens(ServiceSecrets([bytes(range(32))]))
    first = tokens.first(UUID(int=1), bytes(16))
    last, one_before = (tokens.at(first, 2**32 - back).text for back in (1, 2))
    assert tokens.read(last) is None
    assert tokens.read(one_before) == tokens.at(first, 2**32 - 2)


def test_a_mark_is_a_mac_over_the_rotated_token_and_the_key_under_a_key_of_its_own() -> None:
    for secret, token in ((NEW, TOKEN), (OLD, as_read(OLD))):
        mark_key = ServiceSecret.of(secret).mark_key
        expected = hmac.digest(
            mark_key, sha256(token.text.encode()).digest() + b"a key of 16 chars", "sha256"
        )
        assert TOKENS.mark(token, "a key of 16 chars") == expected


def test_a_mark_matches_no_other_key_and_no_other_token() -> None:
    mark = TOKENS.mark(TOKEN, "a" * 16)

    assert mark == TOKENS.mark(TOKEN, "a" * 16)
    assert mark != TOKENS.mark(TOKEN, "a" * 17)
    assert mark != TOKENS.mark(TOKENS.at(TOKEN, 1), "a" * 16)
    assert mark != TOKENS.mark(TOKENS.first(SESSION, bytes(16)), "a" * 16)
    assert mark != RefreshTokens(ServiceSecrets([NEW])).mark(TOKENS.first(UUID(int=1), SEED), "a" * 16)
