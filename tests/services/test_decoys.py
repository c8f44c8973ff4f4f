"""Decoys: unknown addresses have the costs of stored hashes, and each address keeps its own."""

from collections import Counter
from collections.abc import Iterable

import pytest

from app.services.decoys import Decoys
from app.wiring import Service
from tests.support.database import Sql
from tests.support.people import new_person

pytestmark = pytest.mark.requirement("P2")

OLD, NEW, COSTLY = (f"$argon2id$v=19$m={m},t={t},p=1$" for m, t in ((8, 1), (16, 2), (64, 4)))
REST = "c2FsdHNhbHRzYWx0c2FsdA$" + "A" * 43
IMPORTED = ("$2b$04$" + "C" * 53, "!", "$argon2i$v=19$m=8,t=1,p=1$" + REST, "argon2" + OLD + REST)
ADDRESSES = [f"{number}@example.com" for number in range(1000)]


async def store(sql: Sql, **hashes: Iterable[str]) -> None:
    """Let the table hold accounts with these hashes and no others."""
    await sql.execute("DELETE FROM accounts")
    for password_hash in hashes["hashes"]:
        await new_person(sql, password_hash=password_hash)


def work_of(decoys: Decoys) -> list[int]:
    """The work of the decoy of each address; 0 for that of a new hash."""
    found = [decoys.of(address) for address in ADDRESSES]
    return [decoy.work if decoy else 0 for decoy in found]


async def test_without_hashes_of_ours_a_decoy_costs_what_a_new_hash_costs(parts: Service, sql: Sql) -> None:
    await store(sql, hashes=IMPORTED)
    await parts.core.decoys.load()
    assert set(work_of(parts.core.decoys)) == {0}


async def test_each_cost_has_its_share_of_the_addresses(parts: Service, sql: Sql) -> None:
    absurd = "$argon2id$v=19$m=4194304,t=1,p=1$" + REST
    await store(sql, hashes=[*[OLD + REST] * 5, *[NEW + REST] * 3, *[COSTLY + REST] * 2, *IMPORTED, absurd])
    await parts.core.decoys.load()
    shares = Counter(work_of(parts.core.decoys))
    assert shares.keys() == {8, 32, 256}
    for work, share in ((8, 500), (32, 300), (256, 200)):
        assert abs(shares[work] - share) < 60


async def test_an_address_keeps_its_cost_until_it_moves_to_a_new_one_once(parts: Service, sql: Sql) -> None:
    before = None
    for old in (10, 7, 3, 0):
        await store(sql, hashes=[*[OLD + REST] * old, *[NEW + REST] * (10 - old)])
        await parts.core.decoys.load()
        now = work_of(parts.core.decoys)
        assert now == work_of(parts.core.decoys)
        assert set(now) == ({8} if old == 10 else {8, 32} if old else {32})
        assert before is None or all(was <= work for was, work in zip(before, now, strict=True))
        before = now
