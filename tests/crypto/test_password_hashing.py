"""Password hashing; stored hashes are made by argon2-cffi, bcrypt and hashlib, not by the code under test."""

import asyncio
import hashlib
import hmac
import logging
import os
import subprocess
import sys
import threading
from base64 import b64encode
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import argon2
import bcrypt
import pytest

from app.crypto import passwords
from app.crypto.passwords import (
    NICENESS,
    HashingPolicy,
    PasswordCheck,
    PasswordHasher,
    decoy,
    parse_hash,
)

PASSWORD = "l\u00e8tmein \U0001f511"
LONG = "0123456789" * 20
CHEAP = HashingPolicy(memory_kib=8, time_cost=1, threads=1)

NO = PasswordCheck(matches=False, outdated=False)
NEVER = PasswordCheck(matches=False, outdated=False, understood=False)
CURRENT = PasswordCheck(matches=True, outdated=False)
OUTDATED = PasswordCheck(matches=True, outdated=True)


def acceptable(stored: str) -> bool:
    return parse_hash(stored) is not None


def b64(raw: bytes) -> str:
    return b64encode(raw).decode().rstrip("=")


def argon2_hash(
    password: str = PASSWORD, *, m: int = 8, t: int = 1, p: int = 1, kind: str = "ID", size: int = 32
) -> str:
    made = argon2.PasswordHasher(
        memory_cost=m, time_cost=t, parallelism=p, type=argon2.Type[kind], hash_len=size
    )
    return made.hash(password)


def bcrypt_hash(secret: bytes, cost: int = 4) -> str:
    return bcrypt.hashpw(secret, bcrypt.gensalt(cost)).decode()


def bcrypt_sha256_hash(password: str, *, version: int = 2) -> str:
    salt = bcrypt.gensalt(4).decode()
    key, secret = salt[-22:].encode(), password.encode()
    digest = hashlib.sha256(secret) if version == 1 else hmac.new(key, secret, "sha256")
    full = bcrypt.hashpw(b64encode(digest.digest()), salt.encode()).decode()
    head = "2b,4" if version == 1 else "v=2,t=2b,r=4"
    return f"$bcrypt-sha256${head}${full[7:29]}${full[29:]}"


def scrypt_hash(password: str, *, log_cost: int = 4, r: int = 8, p: int = 2) -> str:
    digest = hashlib.scrypt(password.encode(), salt=b"saltsalt", n=1 << log_cost, r=r, p=p, dklen=32)
    return f"$scrypt$ln={log_cost},r={r},p={p}${b64(b'saltsalt')}${b64(digest)}"


def pbkdf2_hash(password: str, name: str, rounds: int = 10) -> str:
    digest = hashlib.pbkdf2_hmac(name, password.encode(), b"saltsalt", rounds)
    return f"$pbkdf2-{name}${rounds}${b64(b'saltsalt')}${b64(digest)}".replace("+", ".")


def django_pbkdf2_hash(password: str, name: str, rounds: int = 10) -> str:
    digest = hashlib.pbkdf2_hmac(name, password.encode(), b"seasalt", rounds)
    return f"pbkdf2_{name}${rounds}$seasalt${b64encode(digest).decode()}"


def django_scrypt_hash(password: str, n: int = 16) -> str:
    digest = hashlib.scrypt(password.encode(), salt=b"seasalt", n=n, r=8, p=5)
    return f"scrypt${n}$seasalt$8$5${b64encode(digest).decode()}"


def django_bcrypt_sha256_hash(password: str) -> str:
    return "bcrypt_sha256$" + bcrypt_hash(hashlib.sha256(password.encode()).hexdigest().encode())


def werkzeug_scrypt_hash(password: str) -> str:
    digest = hashlib.scrypt(password.encode(), salt=b"seasalt", n=16, r=8, p=1)
    return f"scrypt:16:8:1$seasalt${digest.hex()}"


def werkzeug_pbkdf2_hash(password: str, name: str) -> str:
    digest = hashlib.pbkdf2_hmac(name, password.encode(), b"seasalt", 10)
    return f"pbkdf2:{name}:10$seasalt${digest.hex()}"


def phpass_hash(password: str, mark: str = "$P$") -> str:
    """OpenWall's portable hash with 2^7 rounds, as WordPress and phpBB used it."""
    letters = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
    digest = hashlib.md5(b"seasalts" + password.encode()).digest()  # noqa: S324 - it is that format's
    for _ in range(1 << 7):
        digest = hashlib.md5(digest + password.encode()).digest()  # noqa: S324 - it is that format's
    groups = [digest[start : start + 3] for start in range(0, 16, 3)]
    bits = [(int.from_bytes(group, "little"), -(-len(group) * 8 // 6)) for group in groups]
    encoded = "".join(letters[value >> (6 * place) & 63] for value, size in bits for place in range(size))
    return f"{mark}{letters[7]}seasalts{encoded}"


def wordpress_bcrypt_hash(password: str) -> str:
    mac = hmac.new(b"wp-sha384", password.encode(), "sha384").digest()
    return "$wp" + bcrypt_hash(b64encode(mac)).replace("$2b$", "$2y$")


IMPORTED: dict[str, Callable[[str], str]] = {
    "argon2i": lambda password: argon2_hash(password, kind="I"),
    "argon2d": lambda password: argon2_hash(password, kind="D"),
    "bcrypt": lambda password: bcrypt_hash(password.encode()),
    "bcrypt 2a": lambda password: bcrypt_hash(password.encode()).replace("$2b$", "$2a$"),
    "bcrypt 2y": lambda password: bcrypt_hash(password.encode()).replace("$2b$", "$2y$"),
    "bcrypt_sha256": bcrypt_sha256_hash,
    "bcrypt_sha256 version 1": lambda password: bcrypt_sha256_hash(password, version=1),
    "scrypt": scrypt_hash,
    "pbkdf2_sha256": lambda password: pbkdf2_hash(password, "sha256"),
    "pbkdf2_sha512": lambda password: pbkdf2_hash(password, "sha512"),
    "Django pbkdf2_sha256": lambda password: django_pbkdf2_hash(password, "sha256"),
    "Django pbkdf2_sha1": lambda password: django_pbkdf2_hash(password, "sha1"),
    "Django scrypt": django_scrypt_hash,
    "Django bcrypt": lambda password: "bcrypt$" + bcrypt_hash(password.encode()),
    "Django bcrypt_sha256": django_bcrypt_sha256_hash,
    "Django argon2i": lambda password: "argon2" + argon2_hash(password, kind="I"),
    "Werkzeug scrypt": werkzeug_scrypt_hash,
    "Werkzeug pbkdf2 sha1": lambda password: werkzeug_pbkdf2_hash(password, "sha1"),
    "Werkzeug pbkdf2 sha256": lambda password: werkzeug_pbkdf2_hash(password, "sha256"),
    "Werkzeug pbkdf2 sha512": lambda password: werkzeug_pbkdf2_hash(password, "sha512"),
    "WordPress": phpass_hash,
    "phpBB": lambda password: phpass_hash(password, "$H$"),
    "WordPress 6.8": wordpress_bcrypt_hash,
}
"""For every scheme except the current one, a function from a password to its hash."""

PUBLISHED = {
    # From Django's tests in several releases.
    "pbkdf2_sha256$12000$seasalt$Ybw8zsFxqja97tY/o6G+Fy1ksY4U/Hw3DRrGED6Up4s=": "l\u00e8tmein",
    "scrypt$16384$seasalt$8$1$Qj3+9PPyRjSJIebHnG81TMjsqtaIGxNQG/aEB/NYafTJ7tibgfYz71m0ldQESkXF"
    "RkdVCBhhY8mx7rQwite/Pw==": "l\u00e8tmein",
    "argon2$argon2i$m=8,t=1,p=1$c29tZXNhbHQ$gwQOXSNhxiOxPOA0+PY10P9QFO4NAYysnqRt1GSQLE55m+2GYDt"
    "9FEjPMHhP2Cuf0nOEXXMocVrsJAtNSsKyfg": "secret",
    "argon2$argon2i$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$YC9+jJCrQhs5R6db7LlN8Q": "secret",
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


class Gate:
    """Counts the verifications that reach Argon2, and holds each one in its thread until it is opened.

    It also records the hash that was verified and the niceness of the thread.
    """

    def __init__(self) -> None:
        self.calls = 0
        self.hashes: list[bytes] = []
        self.niceness: list[int] = []
        self.entered = threading.Event()
        self.opened = threading.Event()
        self._verify = argon2.low_level.verify_secret

    def __call__(self, stored: bytes, *arguments: Any) -> bool:
        self.calls += 1
        self.hashes.append(stored)
        self.niceness.append(niceness())
        self.entered.set()
        assert self.opened.wait(timeout=120)
        return self._verify(stored, *arguments)

    async def wait(self) -> None:
        assert await asyncio.to_thread(self.entered.wait, 120)


def niceness() -> int:
    """The niceness of the calling thread."""
    return os.getpriority(os.PRIO_PROCESS, 0)


class Executor(ThreadPoolExecutor):
    """Counts the jobs that are submitted to the hashing threads."""

    jobs = 0

    def submit(self, *arguments: Any, **keywords: Any) -> Any:
        self.jobs += 1
        return super().submit(*arguments, **keywords)


@pytest.fixture
def executors(monkeypatch: pytest.MonkeyPatch) -> list[Executor]:
    """The executors of the hashers that are made from now on."""
    made: list[Executor] = []

    def make(*arguments: Any) -> Executor:
        made.append(Executor(*arguments))
        return made[-1]

    monkeypatch.setattr(passwords, "ThreadPoolExecutor", make)
    return made


@pytest.fixture
def executor(hasher: PasswordHasher, executors: list[Executor]) -> Executor:
    (executor,) = executors
    return executor


@pytest.fixture
def hasher(executors: list[Executor]) -> Iterator[PasswordHasher]:
    hasher = PasswordHasher(CHEAP)
    yield hasher
    hasher.close()


@pytest.fixture
def gate(hasher: PasswordHasher, monkeypatch: pytest.MonkeyPatch) -> Iterator[Gate]:
    gate = Gate()
    monkeypatch.setattr(argon2.low_level, "verify_secret", gate)
    yield gate
    gate.opened.set()


@pytest.fixture
def counted(gate: Gate) -> Gate:
    gate.opened.set()
    return gate


def start(work: Any) -> asyncio.Task[PasswordCheck]:
    return asyncio.create_task(work)


@pytest.mark.requirement("P1")
async def test_a_new_hash_is_argon2id_that_argon2_itself_verifies() -> None:
    hasher = PasswordHasher(HashingPolicy(memory_kib=32, time_cost=3, parallelism=2, threads=1))
    stored = await hasher.hash(PASSWORD)
    assert stored.startswith("$argon2id$v=19$m=32,t=3,p=2$")
    assert len(stored.split("$")[4]) == 22, "a salt of 16 bytes"
    assert argon2.PasswordHasher().verify(stored, PASSWORD)
    assert stored != await hasher.hash(PASSWORD)
    assert await hasher.verify(PASSWORD, stored) == CURRENT
    hasher.close()


def test_the_backends_are_loaded_before_there_are_threads() -> None:
    script = "import sys; import app.crypto.passwords; assert {'argon2', 'bcrypt'} <= sys.modules.keys()"
    subprocess.run([sys.executable, "-c", script], check=True)


@pytest.mark.requirement("P1")
def test_the_default_parameters_are_those_of_the_design() -> None:
    policy = HashingPolicy(threads=2)
    assert (policy.memory_kib, policy.time_cost, policy.parallelism) == (19_456, 2, 1)


@pytest.mark.parametrize(
    "change",
    [
        {"threads": 0},
        {"memory_kib": 262_145},
        {"memory_kib": 262_144, "time_cost": 5},
        {"parallelism": 17},
    ],
)
def test_an_invalid_policy_is_refused(change: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="hashing needs"):
        HashingPolicy(**{"threads": 1} | change)


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


@pytest.mark.parametrize("scheme", ["argon2id", *IMPORTED])
async def test_another_encoding_of_the_same_password_verifies(hasher: PasswordHasher, scheme: str) -> None:
    make = IMPORTED.get(scheme, argon2_hash)
    assert (await hasher.verify("e\u0301t\u00e9", make("\u00e9t\u00e9"))).matches


@pytest.mark.parametrize("scheme", IMPORTED)
async def test_imported_hashes_of_passwords_that_were_not_normalised_verify(
    hasher: PasswordHasher, scheme: str
) -> None:
    assert await hasher.verify("e\u0301te\u0301", IMPORTED[scheme]("e\u0301te\u0301")) == OUTDATED


async def test_our_own_hashes_verify_only_the_normalised_password(hasher: PasswordHasher) -> None:
    stored = await hasher.hash("e\u0301te\u0301")
    assert argon2.PasswordHasher().verify(stored, "\u00e9t\u00e9")
    assert await hasher.verify("e\u0301te\u0301", stored) == CURRENT
    assert await hasher.verify("e\u0301te\u0301", argon2_hash("e\u0301te\u0301")) == NO


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
    ("parameters", "verdict"),
    [
        ({"m": 16, "t": 2}, CURRENT),
        ({"m": 16, "t": 3}, CURRENT),
        ({"m": 64, "t": 2}, CURRENT),
        ({"m": 64, "t": 3, "p": 4}, CURRENT),
        ({"m": 15, "t": 2}, OUTDATED),
        ({"m": 16, "t": 1}, OUTDATED),
        ({"m": 64, "t": 1}, OUTDATED),
        ({"m": 16, "t": 2, "kind": "I"}, OUTDATED),
    ],
)
async def test_a_hash_is_outdated_when_a_parameter_is_below_the_policy(
    parameters: dict[str, Any], verdict: PasswordCheck
) -> None:
    hasher = PasswordHasher(HashingPolicy(memory_kib=16, time_cost=2, threads=1))
    assert await hasher.verify(PASSWORD, argon2_hash(**parameters)) == verdict
    assert await hasher.verify(PASSWORD + "z", argon2_hash(**parameters)) == NO
    hasher.close()


@pytest.mark.requirement("P2")
async def test_an_unknown_account_costs_one_decoy_with_the_current_parameters(
    hasher: PasswordHasher, counted: Gate
) -> None:
    assert await hasher.verify(PASSWORD, None) == NO
    assert counted.calls == 1
    assert await hasher.verify(PASSWORD, argon2_hash("another")) == NO
    assert counted.calls == 2, "the same number as for a wrong password"
    assert counted.hashes[0].startswith(b"$argon2id$v=19$m=8,t=1,p=1$"), "the decoy"


@pytest.mark.requirement("P2")
async def test_a_decoy_costs_what_a_hash_with_its_parameters_costs(
    hasher: PasswordHasher, counted: Gate
) -> None:
    for cost in (
        "$argon2id$v=19$m=16,t=3,p=1$",
        "$argon2id$v=19$m=8,t=1,p=1$",
        "$argon2id$v=19$m=64,t=1,p=2$",
    ):
        real, unreal = cost + f"{b64(b'saltsaltsaltsalt')}${b64(bytes(32))}", decoy(cost)
        # A password that is not in NFKC is tried in both spellings where the hash is outdated.
        for password in (PASSWORD, "e\u0301te\u0301"):
            counted.hashes.clear()
            assert await hasher.verify(password, real) == NO
            expected = [stored.split(b"$")[:4] for stored in counted.hashes]
            for stored in (None, "no hash at all"):
                counted.hashes.clear()
                assert await hasher.verify(password, stored, unreal) == (NO if stored is None else NEVER)
                assert [stored.split(b"$")[:4] for stored in counted.hashes] == expected
    assert [decoy(f"$argon2id$v=19$m={m},t={t},p=1$").work for m, t in ((8, 1), (16, 3))] == [8, 48]


@pytest.mark.parametrize(
    "cost", ["", "$argon2id$v=19$m=262145,t=1,p=1$", "$argon2id$v=19$m=8,t=0,p=1$", "$2b$04$"]
)
def test_there_is_no_decoy_with_an_unknown_or_absurd_cost(cost: str) -> None:
    with pytest.raises(ValueError, match="no decoy"):
        decoy(cost)


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


async def test_exhausted_memory_is_an_error_and_not_a_wrong_password(
    hasher: PasswordHasher, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(argon2.low_level, "verify_secret", fail)
    with pytest.raises(MemoryError):
        await hasher.verify(PASSWORD, argon2_hash())


@pytest.mark.requirement("P5")
@pytest.mark.parametrize("password", ["x" * 1025, "\ud800secret", "\ufdfa" * 32])
async def test_unusable_passwords_are_refused_before_any_hashing(
    hasher: PasswordHasher, counted: Gate, password: str
) -> None:
    assert await hasher.verify(password, None) == NO
    assert await hasher.verify(password, argon2_hash()) == NO
    assert counted.calls == 0
    with pytest.raises(ValueError, match="password refused: ") as refused:
        await hasher.hash(password)
    assert password not in repr(refused.value)
    assert refused.value.__context__ is None, "the codec's error would contain the password"


@pytest.mark.requirement("P5")
async def test_every_byte_of_the_longest_password_is_hashed(hasher: PasswordHasher) -> None:
    stored = await hasher.hash("x" * 1024)
    assert await hasher.verify("x" * 1024, stored) == CURRENT
    assert await hasher.verify("x" * 1023, stored) == NO


async def test_one_thread_computes_one_hash_at_a_time(hasher: PasswordHasher, gate: Gate) -> None:
    running = start(hasher.verify(PASSWORD, None))
    await gate.wait()
    waiting = [start(hasher.verify(PASSWORD, None)) for _ in range(5)]
    await asyncio.sleep(0)
    assert not running.done()
    assert gate.calls == 1
    gate.opened.set()
    assert await asyncio.gather(running, *waiting) == [NO] * 6


@pytest.mark.requirement("P4")
async def test_the_event_loop_runs_while_a_hash_is_computed(hasher: PasswordHasher, gate: Gate) -> None:
    running = start(hasher.verify(PASSWORD, argon2_hash()))
    await gate.wait()
    turns = [await asyncio.sleep(0, turn) for turn in range(1000)]
    assert len(turns) == 1000
    assert not running.done()
    gate.opened.set()
    assert await running == CURRENT


async def test_hashing_threads_have_a_lower_priority_than_the_event_loop(
    hasher: PasswordHasher, counted: Gate
) -> None:
    before = niceness()
    await hasher.verify(PASSWORD, None)
    assert counted.niceness == [min(19, before + (NICENESS if sys.platform == "linux" else 0))]
    assert niceness() == before


async def test_a_caller_that_leaves_the_queue_leaves_no_work_behind(
    hasher: PasswordHasher, gate: Gate, executor: Executor
) -> None:
    running = start(hasher.verify(PASSWORD, None))
    await gate.wait()
    for _ in range(100):
        waiting = start(hasher.verify(PASSWORD, None))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
    assert executor.jobs == 1
    last = start(hasher.verify(PASSWORD, None))
    gate.opened.set()
    assert [await running, await last] == [NO, NO]
    assert gate.calls == 2, "nothing was hashed for the callers that left"


async def test_a_hash_keeps_its_thread_when_its_caller_leaves(
    hasher: PasswordHasher, gate: Gate, executor: Executor
) -> None:
    running = start(hasher.verify(PASSWORD, None))
    await gate.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    waiting = start(hasher.verify(PASSWORD, None))
    await asyncio.sleep(0)
    assert gate.calls == 1
    assert executor.jobs == 1
    gate.opened.set()
    assert await waiting == NO
    assert await hasher.verify(PASSWORD, None) == NO


async def test_closing_finishes_the_running_hash_and_refuses_waiting_callers(
    hasher: PasswordHasher, gate: Gate
) -> None:
    running = start(hasher.verify(PASSWORD, argon2_hash()))
    await gate.wait()
    waiting = start(hasher.verify(PASSWORD, None))
    await asyncio.sleep(0)
    hasher.close()
    gate.opened.set()
    assert await running == CURRENT
    for refused in (waiting, hasher.hash(PASSWORD), hasher.hash(PASSWORD), hasher.hash(PASSWORD)):
        with pytest.raises(RuntimeError, match="shutdown"):
            await refused


def test_a_hash_may_finish_after_its_event_loop_is_closed(
    hasher: PasswordHasher, gate: Gate, executor: Executor, caplog: pytest.LogCaptureFixture
) -> None:
    async def leave() -> None:
        running = start(hasher.verify(PASSWORD, None))
        await gate.wait()
        running.cancel()

    loop = asyncio.new_event_loop()
    loop.run_until_complete(leave())
    loop.run_until_complete(loop.shutdown_default_executor())
    loop.close()
    gate.opened.set()
    executor.shutdown(wait=True)
    assert caplog.records == []
