"""Hashes of other systems: which are verified, how, and which are refused."""

import hashlib
import logging
from collections.abc import Callable

import pytest

from app.crypto.hash_formats import FORMATS, LOADING
from app.crypto.passwords import PasswordHasher, parse_hash
from tests.support.hashes import (
    IMPORTED,
    PASSWORD,
    argon2_hash,
    bcrypt_hash,
    phpass_hash,
    wordpress_bcrypt_hash,
)
from tests.support.hashing import CURRENT, NEVER, NO, OUTDATED, Computation, Gate

LONG = "0123456789" * 20
COMPOSED, DECOMPOSED = "\u00e9t\u00e9", "e\u0301te\u0301"

PUBLISHED = {
    # From Django's tests in several releases.
    "pbkdf2_sha256$12000$seasalt$Ybw8zsFxqja97tY/o6G+Fy1ksY4U/Hw3DRrGED6Up4s=": "l\u00e8tmein",
    "scrypt$16384$seasalt$8$1$Qj3+9PPyRjSJIebHnG81TMjsqtaIGxNQG/aEB/NYafTJ7tibgfYz71m0ldQESkXF"
    "RkdVCBhhY8mx7rQwite/Pw==": "l\u00e8tmein",
    "argon2$argon2i$m=8,t=1,p=1$c29tZXNhbHQ$gwQOXSNhxiOxPOA0+PY10P9QFO4NAYysnqRt1GSQLE55m+2GYDt"
    "9FEjPMHhP2Cuf0nOEXXMocVrsJAtNSsKyfg": "secret",
    "argon2$argon2i$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$YC9+jJCrQhs5R6db7LlN8Q": "secret",
    # From the tests of the reference implementation.
    "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc": "password",
    # From crypt_blowfish's tests and from RFC 7914.
    "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW": "U*U",
    "$scrypt$ln=10,r=8,p=16$TmFDbA$/bq+HJ00cgB4VucZDQHp/nxq18vII3gw53N2Y0s3MWI": "password",
}

UNKNOWN = [
    "",
    PASSWORD,
    "!unusable by Django",
    "*",
    "\u00e9\ud800\u0000",
    hashlib.md5(PASSWORD.encode()).hexdigest(),  # noqa: S324 - it must be refused
    "md5$seasalt$3f86d0d3d465b7b458c231bf3555c0e3",
    "sha1$seasalt$cff36ea83f5706ce9aa7454e63e431fc726b2dc8",
    "$1$abcdefgh$irWbblnpmw.5z7wgBnprh0",
    "$2x$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
    "$2b$04$",
    "$argon2id$",
    "$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ",
    "$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$YC9+jA",
    "$argon2id$v=99$m=8,t=1,p=1$c2FsdHNhbHQ$YC9+jJCrQhs5R6db7LlN8Q",
    "$argon2id$v=19$m=8,t=1,p=1,data=YWJj$c2FsdHNhbHQ$YC9+jJCrQhs5R6db7LlN8Q",
    "$argon2id$v=19$m=8,t=1,p=1,keyid=YWJj$c2FsdHNhbHQ$YC9+jJCrQhs5R6db7LlN8Q",
    "$argon2x$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$YC9+jJCrQhs5R6db7LlN8Q",
    "$scrypt$n=4,r=8,p=1$c2FsdHNhbHQ$YC9+jJCrQhs5R6db7LlN8Q",
    "scrypt$0$seasalt$8$5$" + "A" * 86 + "==",
    "scrypt$" + "9" * 5000 + "$seasalt$8$5$" + "A" * 86 + "==",
    "scrypt:0:8:5$seasalt$" + "0" * 128,
    "pbkdf2:md5:10$seasalt$" + "0" * 32,
    "pbkdf2:sha256:10$seasalt$" + "0" * 63,
    "scrypt:24576:8:1$seasalt$" + "0" * 128,
    "scrypt:65536:1:1$seasalt$" + "0" * 128,
    "$P$5seasalts",
    "$P$5seasalts" + "." * 21,
    "$P$5seasalts" + "." * 23,
    "$wp$2y$04$",
    "$pbkdf2-sha256$10$c2FsdHNhbHQ",
    "$pbkdf2-sha256$10$c2FsdHNhbHQ$short",
    "pbkdf2_sha256$-5$seasalt$Ybw8zsFxqja97tY/o6G+Fy1ksY4U/Hw3DRrGED6Up4s=",
    argon2_hash(size=1024),
]

ABSURD = [
    "$argon2id$v=19$m=4194304,t=1,p=1$c2FsdHNhbHQ$YC9+jJCrQhs5R6db7LlN8Q",
    "$argon2id$v=19$m=262145,t=1,p=1$c2FsdHNhbHQ$YC9+jJCrQhs5R6db7LlN8Q",
    "$argon2id$v=19$m=262144,t=5,p=1$c2FsdHNhbHQ$YC9+jJCrQhs5R6db7LlN8Q",
    "$argon2id$v=19$m=8,t=4294967295,p=1$c2FsdHNhbHQ$YC9+jJCrQhs5R6db7LlN8Q",
    "$argon2id$v=19$m=65536,t=1,p=8192$c2FsdHNhbHQ$YC9+jJCrQhs5R6db7LlN8Q",
    "argon2$argon2i$v=19$m=4194304,t=1,p=1$c2FsdHNhbHQ$YC9+jJCrQhs5R6db7LlN8Q",
    "$2b$31$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
    "bcrypt$$2b$16$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
    "bcrypt_sha256$$2b$16$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
    "$bcrypt-sha256$v=2,t=2b,r=16$CCCCCCCCCCCCCCCCCCCCC.$E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
    "$scrypt$ln=30,r=8,p=1$TmFDbA$/bq+HJ00cgB4VucZDQHp/nxq18vII3gw53N2Y0s3MWI",
    "$scrypt$ln=1,r=1048576,p=16$TmFDbA$/bq+HJ00cgB4VucZDQHp/nxq18vII3gw53N2Y0s3MWI",
    "$scrypt$ln=1,r=1048576,p=4$TmFDbA$/bq+HJ00cgB4VucZDQHp/nxq18vII3gw53N2Y0s3MWI",
    "$scrypt$ln=1,r=8,p=524288$TmFDbA$/bq+HJ00cgB4VucZDQHp/nxq18vII3gw53N2Y0s3MWI",
    "$scrypt$ln=17,r=8,p=9$TmFDbA$/bq+HJ00cgB4VucZDQHp/nxq18vII3gw53N2Y0s3MWI",
    "scrypt$1073741824$seasalt$8$1$" + "A" * 86 + "==",
    "scrypt:1073741824:8:1$seasalt$" + "0" * 128,
    "pbkdf2:sha256:1000000000$seasalt$" + "0" * 64,
    "$P$Hseasalts" + "." * 22,
    "$wp$2y$16$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
    "$pbkdf2-sha256$1000000000$c2FsdHNhbHQ$" + "A" * 43,
    "$pbkdf2-sha512$5000001$c2FsdHNhbHQ$" + "A" * 86,
    "pbkdf2_sha256$1000000000$seasalt$Ybw8zsFxqja97tY/o6G+Fy1ksY4U/Hw3DRrGED6Up4s=",
]

SANE = [
    "$argon2id$v=19$m=262144,t=4,p=16$c2FsdHNhbHQ$YC9+jJCrQhs5R6db7LlN8Q",
    "argon2$argon2id$v=19$m=102400,t=2,p=8$Y041dExhNkljRUUy$TMa6A8fPJhCAUXRhJXCXdw",
    "$2b$15$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
    "$scrypt$ln=17,r=8,p=1$TmFDbA$/bq+HJ00cgB4VucZDQHp/nxq18vII3gw53N2Y0s3MWI",
    "scrypt:32768:8:1$seasalt$" + "0" * 128,
    "pbkdf2:sha256:1000000$seasalt$" + "0" * 64,
    "$P$Bseasalts" + "." * 22,
    "pbkdf2_sha256$5000000$seasalt$Ybw8zsFxqja97tY/o6G+Fy1ksY4U/Hw3DRrGED6Up4s=",
]


def acceptable(stored: str) -> bool:
    return parse_hash(stored) is not None


@pytest.mark.parametrize("scheme", IMPORTED)
async def test_imported_hashes_verify_and_are_outdated(hasher: PasswordHasher, scheme: str) -> None:
    stored = IMPORTED[scheme](PASSWORD)
    assert acceptable(stored)
    assert await hasher.verify(PASSWORD, stored) == OUTDATED
    assert await hasher.verify(PASSWORD + "z", stored) == NO
    assert await hasher.verify("", stored) == NO


@pytest.mark.parametrize(("stored", "password"), PUBLISHED.items())
async def test_published_hashes_verify(hasher: PasswordHasher, stored: str, password: str) -> None:
    assert acceptable(stored)
    assert await hasher.verify(password, stored) == OUTDATED
    assert await hasher.verify(password + "z", stored) == NO


@pytest.mark.parametrize("scheme", IMPORTED)
async def test_an_imported_hash_is_compared_with_the_password_as_typed_and_in_nfkc(
    hasher: PasswordHasher, scheme: str
) -> None:
    """What signed in to the other system signs in here, also from a keyboard that decomposes letters."""
    stored = IMPORTED[scheme](DECOMPOSED)
    assert await hasher.verify(DECOMPOSED, stored) == OUTDATED
    assert await hasher.verify(COMPOSED, stored) == NO
    assert await hasher.verify(DECOMPOSED, IMPORTED[scheme](COMPOSED)) == OUTDATED


async def test_argon2id_of_another_form_is_compared_with_the_password_as_typed_and_in_nfkc(
    hasher: PasswordHasher, counted: Gate
) -> None:
    four_lanes, odd_salt = argon2_hash(DECOMPOSED, m=32, p=4), argon2_hash(DECOMPOSED, salt=22)
    assert await hasher.verify(DECOMPOSED, four_lanes) == CURRENT
    assert await hasher.verify(DECOMPOSED, odd_salt) == OUTDATED
    assert await hasher.verify(COMPOSED, four_lanes) == NO
    assert counted.computations == [
        *[Computation("argon2", 32, 1)] * 2,
        *[Computation("argon2", 8, 1)] * 2,
        Computation("argon2", 32, 1),
    ]


@pytest.mark.parametrize("scheme", [scheme for scheme in IMPORTED if "bcrypt" in scheme or "6.8" in scheme])
async def test_one_thread_at_a_time_loads_the_backend_of_bcrypt(
    hasher: PasswordHasher, monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    locked = []
    bcrypt = FORMATS.handler("bcrypt")
    monkeypatch.setattr(bcrypt, "get_backend", lambda: locked.append(LOADING.locked()))
    assert await hasher.verify(PASSWORD, IMPORTED[scheme](PASSWORD)) == OUTDATED
    assert locked == [True]


TRIMMED = " \t\n\r\0\x0b"


@pytest.mark.parametrize("make", [phpass_hash, wordpress_bcrypt_hash])
async def test_wordpress_ignores_white_space_around_a_password(
    hasher: PasswordHasher, make: Callable[[str], str]
) -> None:
    stored = make("two words")
    assert await hasher.verify(f"{TRIMMED}two words{TRIMMED}", stored) == OUTDATED
    for another in ("twowords", "\u2028two words", "two words\f"):
        assert await hasher.verify(another, stored) == NO


async def test_phpbb_compares_white_space_around_a_password(hasher: PasswordHasher) -> None:
    stored = phpass_hash(" two words ", "$H$")
    assert await hasher.verify(" two words ", stored) == OUTDATED
    assert await hasher.verify("two words", stored) == NO


async def test_every_character_counts_except_those_that_bcrypt_ignores(hasher: PasswordHasher) -> None:
    for scheme, make in IMPORTED.items():
        cut = scheme in {"bcrypt", "bcrypt 2a", "bcrypt 2y", "Django bcrypt"}
        stored = make(LONG[:72] if cut else LONG)
        assert await hasher.verify(LONG, stored) == OUTDATED
        assert (await hasher.verify(LONG + "z", stored)).matches == cut
        assert await hasher.verify(LONG[:71], stored) == NO
    assert await hasher.verify(LONG + "z", await hasher.hash(LONG)) == NO


async def test_bcrypt_truncates_after_72_bytes_not_characters(hasher: PasswordHasher) -> None:
    password = "x" * 71 + "\u00e9"
    assert await hasher.verify(password, bcrypt_hash(password.encode()[:72])) == OUTDATED


@pytest.mark.parametrize(
    ("hashed", "typed"),
    [
        ("\u00fc" * 40, "\u00fc" * 40),
        ("a" * 72 + "b", "a" * 72 + "c"),
        ("p\u00e4sswort lang", "pa\u0308sswort lang"),
    ],
)
async def test_what_bcrypt_took_in_the_other_system_it_takes_here(
    hasher: PasswordHasher, hashed: str, typed: str
) -> None:
    stored = bcrypt_hash(hashed.encode()[:72])
    assert await hasher.verify(typed, stored) == OUTDATED
    assert await hasher.verify(f"x{typed}", stored) == NO


@pytest.mark.parametrize("stored", UNKNOWN)
async def test_an_invalid_hash_costs_a_decoy_and_is_not_logged(
    hasher: PasswordHasher, counted: Gate, stored: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    assert not acceptable(stored)
    assert await hasher.verify(PASSWORD, stored) == NEVER
    assert counted.calls == 1
    assert PASSWORD not in caplog.text


@pytest.mark.parametrize("stored", ABSURD)
async def test_hashes_over_the_ceilings_cost_only_a_decoy(
    hasher: PasswordHasher, counted: Gate, stored: str
) -> None:
    assert not acceptable(stored)
    assert await hasher.verify(PASSWORD, stored) == NEVER
    assert counted.calls == 1, "only the decoy"


@pytest.mark.parametrize("stored", SANE)
def test_parameters_that_other_systems_use_are_below_the_ceilings(stored: str) -> None:
    assert acceptable(stored)


async def test_a_backend_that_fails_costs_a_decoy(hasher: PasswordHasher, counted: Gate) -> None:
    assert await hasher.verify("nul\u0000", bcrypt_hash(b"nul")) == NO
    assert counted.calls == 1
