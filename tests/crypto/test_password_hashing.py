"""New hashes and hashes in their form: cost, decoys, and what the libraries say about each other's hashes."""

import subprocess
import sys
from typing import Any

import argon2
import pytest
from nacl import bindings, exceptions

from app.crypto import passwords
from app.crypto.passwords import HashingPolicy, PasswordCheck, PasswordHasher, decoy
from tests.support.hashes import PASSWORD, argon2_hash, b64
from tests.support.hashing import CURRENT, NEVER, NO, OUTDATED, Computation, Gate

FORMER = "$argon2id$v=19$m=19456,t=2,p=1$MDEyMzQ1Njc4OWFiY2RlZg$DoLWQdooUDXF070HnjY3x7HseiF4yKGtHfZTFcl4uBs"
"""A hash that a release before this one made, with argon2-cffi."""


@pytest.mark.requirement("P1")
@pytest.mark.parametrize(("kib", "passes"), [(8, 1), (33, 3), (19_456, 2)])
@pytest.mark.parametrize("password", [PASSWORD, "", "nul\0inside", "x" * 1024])
async def test_both_libraries_verify_hashes_of_the_other(kib: int, passes: int, password: str) -> None:
    hasher = PasswordHasher(HashingPolicy(memory_kib=kib, time_cost=passes, threads=1))
    stored = await hasher.hash(password)
    assert stored.startswith(f"$argon2id$v=19$m={kib},t={passes},p=1$")
    assert [len(part) for part in stored.split("$")[4:]] == [22, 43], "a salt of 16 bytes, a digest of 32"
    assert argon2.PasswordHasher().verify(stored, password)
    assert stored != await hasher.hash(password), "another salt"
    for verified in (stored, argon2_hash(password, m=kib, t=passes)):
        assert await hasher.verify(password, verified) == CURRENT
        assert await hasher.verify(password + "z", verified) == NO
    hasher.close()


async def test_hashes_of_former_releases_verify(counted: Gate) -> None:
    hasher = PasswordHasher(HashingPolicy(threads=1))
    assert await hasher.verify("correct battery staple horse", FORMER) == CURRENT
    assert await hasher.verify("correct battery staple hors", FORMER) == NO
    assert counted.computations == [Computation("libsodium", 19_456, 2)] * 2
    hasher.close()


@pytest.mark.requirement("P1")
def test_the_default_parameters_are_those_of_the_design() -> None:
    policy = HashingPolicy(threads=2)
    assert (policy.memory_kib, policy.time_cost) == (19_456, 2)


@pytest.mark.parametrize(
    "change",
    [{"threads": 0}, {"memory_kib": 262_145}, {"memory_kib": 262_144, "time_cost": 5}],
)
def test_an_invalid_policy_is_refused(change: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="hashing needs"):
        HashingPolicy(**{"threads": 1} | change)


async def test_our_own_hashes_verify_only_the_normalised_password(hasher: PasswordHasher) -> None:
    stored = await hasher.hash("e\u0301te\u0301")
    assert argon2.PasswordHasher().verify(stored, "\u00e9t\u00e9")
    assert await hasher.verify("e\u0301te\u0301", stored) == CURRENT
    assert await hasher.verify("e\u0301te\u0301", argon2_hash("e\u0301te\u0301")) == NO


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
        ({"m": 64, "t": 3, "salt": 22}, OUTDATED),
        ({"m": 64, "t": 3, "size": 16}, OUTDATED),
        ({"m": 64, "t": 3, "salt": 22, "size": 64, "p": 2}, CURRENT),
    ],
)
async def test_a_hash_is_outdated_when_it_costs_less_than_a_new_one_or_differs_from_its_decoy(
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
    assert counted.computations == [Computation("libsodium", 8, 1)] * 2


@pytest.mark.requirement("P2")
@pytest.mark.parametrize(
    ("cost", "expected"),
    [
        ("$argon2id$v=19$m=16,t=3,p=1$", Computation("libsodium", 16, 3)),
        ("$argon2id$v=19$m=8,t=1,p=1$", Computation("libsodium", 8, 1)),
        ("$argon2id$v=19$m=64,t=1,p=2$", Computation("argon2", 64, 1)),
    ],
)
async def test_a_decoy_costs_what_a_hash_with_its_parameters_costs(
    hasher: PasswordHasher, counted: Gate, cost: str, expected: Computation
) -> None:
    unreal = decoy(cost)
    # A password that is not in NFKC is compared in both spellings where the hash is not of our form.
    for password in (PASSWORD, "e\u0301te\u0301"):
        spellings = 2 if password != PASSWORD and "p=1" not in cost else 1
        for stored in (cost + f"{b64(b'saltsaltsaltsalt')}${b64(bytes(32))}", None, "no hash at all"):
            counted.computations.clear()
            verdict = NEVER if stored == "no hash at all" else NO
            assert await hasher.verify(password, stored, unreal) == verdict
            assert counted.computations == [expected] * spellings


@pytest.mark.requirement("P2")
async def test_an_unknown_account_has_a_hash_read_as_a_known_one_has(
    hasher: PasswordHasher, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    parse = passwords.parse_hash

    def watched(stored: str) -> object:
        read.append(stored)
        return parse(stored)

    monkeypatch.setattr(passwords, "parse_hash", watched)
    stored = await hasher.hash(PASSWORD)
    unreal = decoy("$argon2id$v=19$m=8,t=1,p=1$")
    read.clear()
    for known in (stored, None):
        assert await hasher.verify("another", known, unreal) == NO
    assert read == [stored, unreal.stored]


def test_the_work_of_a_decoy_is_its_memory_times_its_passes() -> None:
    assert [decoy(f"$argon2id$v=19$m={m},t={t},p=1$").work for m, t in ((8, 1), (16, 3))] == [8, 48]


@pytest.mark.parametrize(
    "cost", ["", "$argon2id$v=19$m=262145,t=1,p=1$", "$argon2id$v=19$m=8,t=0,p=1$", "$2b$04$"]
)
def test_there_is_no_decoy_with_an_unknown_or_absurd_cost(cost: str) -> None:
    with pytest.raises(ValueError, match="no decoy"):
        decoy(cost)


STARVED = """
import asyncio, resource, sys
from app.crypto.passwords import HashingPolicy, PasswordHasher

async def main():
    hasher = PasswordHasher(HashingPolicy(memory_kib=8, time_cost=1, threads=1))
    await hasher.verify("password", None)  # From now on the thread has its stack.
    taken = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (taken + (16 << 20), resource.RLIM_INFINITY))
    await hasher.verify("password", sys.argv[1])

asyncio.run(main())
"""


async def test_a_failure_of_libsodium_is_an_error_and_not_a_wrong_password(
    hasher: PasswordHasher, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise exceptions.RuntimeError("Unexpected failure in key derivation")

    stored = await hasher.hash(PASSWORD)
    monkeypatch.setattr(bindings, "crypto_pwhash_alg", fail)
    for work in (hasher.verify(PASSWORD, stored), hasher.verify(PASSWORD, None), hasher.hash(PASSWORD)):
        with pytest.raises(MemoryError):
            await work


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_exhausted_memory_is_an_error_and_not_a_wrong_password() -> None:
    stored = argon2_hash(m=65_536)
    ended = subprocess.run(
        [sys.executable, "-c", STARVED, stored], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 1
    assert ended.stderr.splitlines()[-1] == "MemoryError: no memory for a password hash"


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
