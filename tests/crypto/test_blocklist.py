"""The list of common passwords: the content of its file, and the script that writes it."""

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


def test_the_shipped_list_has_the_documented_form_and_size() -> None:
    content, size = SHIPPED.read_bytes(), len(CommonPasswords())
    assert size * LENGTH == len(content)
    assert 110_000 < size < 130_000
    fingerprints = [content[start : start + LENGTH] for start in range(0, len(content), LENGTH)]
    assert all(before < after for before, after in pairwise(fingerprints))


def test_the_shipped_list_contains_common_passwords_and_no_passphrase() -> None:
    common = CommonPasswords()
    popular = "password 12345678 baseball football qwertyuiop superman 1qaz2wsx trustno1 iloveyou sunshine1"
    long = "1qaz2wsx3edc4rfv 123456789987654321 passwordpassword q1w2e3r4t5y6u7i8 perasperaadastra"
    short = "monkey dragon qwerty secret"
    assert [entry for entry in f"{popular} {long} {short}".split() if entry not in common] == []
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


def test_entries_are_folded_and_invalid_ones_are_left_out() -> None:
    assert list(chosen(LIST, SHARES)) == ["secret", "password", "caf\u00e9 au lait", "h" * 15]


def test_the_most_frequent_entries_of_each_length_and_all_long_ones_are_chosen() -> None:
    shares = ((range(2, 4), 1), (range(4, 6), 2), (range(6, 9), None))
    listed = ["four", "two", "a", "three", "2", "seven or more", "twelve", "five!", "one", "sixty", "seventy"]
    assert list(chosen(listed, shares)) == ["two", "four", "three", "twelve", "seventy"]
    assert [(lengths.start, amount) for lengths, amount in SHARES] == [(5, 10_000), (8, 100_000), (15, None)]


def test_the_script_writes_sorted_fingerprints_for_any_order_and_line_ends(
    tmp_path: Path,
) -> None:
    file = tmp_path / "list.txt"
    file.write_bytes(b"12345678\r\nPassword\n\xff\xfe\xff\xfe\xff\xfe\xff\xfe\npassword\n")
    command = [sys.executable, "tools/blocklist.py", str(file)]
    made = subprocess.run(command, cwd=ROOT, env={"PYTHONPATH": "."}, capture_output=True, check=True).stdout
    digests = sorted(sha256(entry).digest()[:5] for entry in (b"12345678", b"password"))
    assert made == b"".join(digests) == build("password\n12345678")


def test_the_range_protocol_uses_the_sha_1_of_a_password() -> None:
    # The example in the description of the protocol.
    assert range_digest("P@ssw0rd") == "21BD12DC183F740EE76F27B78EB39C8AD972A757"
