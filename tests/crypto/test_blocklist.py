"""The list of common passwords: what its file holds, and that the file can be made again."""

import subprocess
import sys
from hashlib import sha256
from itertools import pairwise
from pathlib import Path

import pytest

from app.crypto.blocklist import LENGTH, SHIPPED, CommonPasswords, range_digest
from tests.support.servers import ROOT
from tools.blocklist import SHARES, build, chosen

LIST = ["secret", "password", "123", "PASSWORD", "caf\u00e9 au lait", "\ud800" * 8, "a" * 2000, "h" * 15, ""]


def test_the_list_that_is_shipped_has_the_documented_form_and_size() -> None:
    held, known = SHIPPED.read_bytes(), len(CommonPasswords())
    assert known * LENGTH == len(held)
    assert 110_000 < known < 130_000
    fingerprints = [held[start : start + LENGTH] for start in range(0, len(held), LENGTH)]
    assert all(before < after for before, after in pairwise(fingerprints))


def test_the_list_that_is_shipped_knows_what_everybody_has_and_no_passphrase() -> None:
    common = CommonPasswords()
    everybody = "password 12345678 baseball football qwertyuiop superman 1qaz2wsx trustno1 iloveyou sunshine1"
    long = "1qaz2wsx3edc4rfv 123456789987654321 passwordpassword q1w2e3r4t5y6u7i8 perasperaadastra"
    short = "monkey dragon qwerty secret"
    assert [entry for entry in f"{everybody} {long} {short}".split() if entry not in common] == []
    for passphrase in ("correct horse battery staple", "another battery horse staple", "", "zyx"):
        assert passphrase not in common


@pytest.mark.parametrize("number", range(6))
def test_the_first_the_last_and_every_other_entry_are_found(number: int, tmp_path: Path) -> None:
    file = tmp_path / "list"
    entries = [f"entry number {each}" for each in range(number)]
    file.write_bytes(build("\n".join(entries)))
    common = CommonPasswords(file)
    assert len(common) == number
    assert [entry in common for entry in entries] == [True] * number
    assert [f"entry number {each}" in common for each in range(number, 100)] == [False] * (100 - number)


def test_entries_are_folded_and_what_is_no_password_is_left_out() -> None:
    assert list(chosen(LIST, SHARES)) == ["secret", "password", "caf\u00e9 au lait", "h" * 15]


def test_of_each_length_the_most_frequent_are_taken_and_all_long_ones() -> None:
    shares = ((range(2, 4), 1), (range(4, 6), 2), (range(6, 9), None))
    listed = ["four", "two", "a", "three", "2", "seven or more", "twelve", "five!", "one", "sixty", "seventy"]
    assert list(chosen(listed, shares)) == ["two", "four", "three", "twelve", "seventy"]
    assert [(lengths.start, amount) for lengths, amount in SHARES] == [(5, 10_000), (8, 100_000), (15, None)]


def test_the_script_writes_the_sorted_fingerprints_of_a_list_in_any_order_and_with_any_line_ends(
    tmp_path: Path,
) -> None:
    file = tmp_path / "list.txt"
    file.write_bytes(b"12345678\r\nPassword\n\xff\xfe\xff\xfe\xff\xfe\xff\xfe\npassword\n")
    command = [sys.executable, "tools/blocklist.py", str(file)]
    made = subprocess.run(command, cwd=ROOT, env={"PYTHONPATH": "."}, capture_output=True, check=True).stdout
    digests = sorted(sha256(entry).digest()[:5] for entry in (b"12345678", b"password"))
    assert made == b"".join(digests) == build("password\n12345678")


def test_a_range_is_asked_for_by_the_sha_1_of_a_password() -> None:
    # The example that the protocol's own description gives.
    assert range_digest("P@ssw0rd") == "21BD12DC183F740EE76F27B78EB39C8AD972A757"
