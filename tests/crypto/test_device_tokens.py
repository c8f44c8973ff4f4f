"""Device tokens: one account's, one spelling, nobody's to make, and nothing in them to tell devices apart."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.crypto.device_tokens import MOST_ACCOUNTS, DeviceTokens
from app.crypto.secrets import ServiceSecrets

OLD, NEW = (sha256(name).digest() for name in (b"old", b"new"))
EMAIL = "somebody@example.com"
ANOTHER = "another@example.com"


@pytest.fixture
def devices() -> DeviceTokens:
    return DeviceTokens(ServiceSecrets([NEW, OLD]))


def changed(token: str, position: int) -> str:
    """The same token with another byte at this place."""
    raw = bytearray(urlsafe_b64decode(token.removeprefix("wwd_")))
    raw[position] ^= 1
    return "wwd_" + urlsafe_b64encode(raw).decode()


def test_a_device_is_known_by_the_account_it_signed_in_to_and_by_no_other(devices: DeviceTokens) -> None:
    token = devices.remember("", EMAIL, 7)
    assert devices.password_version(token, EMAIL) == 7
    assert devices.password_version(token, ANOTHER) is None
    assert EMAIL not in token


def test_no_two_devices_can_be_told_apart(devices: DeviceTokens) -> None:
    assert devices.remember("", EMAIL, 1) == devices.remember("", EMAIL, 1)


def test_a_device_is_known_under_every_listed_secret_and_under_no_other(devices: DeviceTokens) -> None:
    token = DeviceTokens(ServiceSecrets([OLD])).remember(None, EMAIL, 1)
    assert devices.password_version(token, EMAIL) == 1
    assert DeviceTokens(ServiceSecrets([NEW])).password_version(token, EMAIL) is None


@pytest.mark.parametrize("position", range(27))
def test_a_token_that_was_changed_anywhere_is_nobody_s(devices: DeviceTokens, position: int) -> None:
    token = changed(devices.remember("", EMAIL, 1), position)
    assert devices.password_version(token, EMAIL) is None


def test_a_device_keeps_the_accounts_that_it_used_last(devices: DeviceTokens) -> None:
    people = [f"{number}@example.com" for number in range(MOST_ACCOUNTS + 2)]
    kept = ""
    for person in people:
        kept = devices.remember(kept, person, 1)
    known = [person for person in people if devices.password_version(kept, person) is not None]
    assert known == people[-MOST_ACCOUNTS:]
    again = devices.remember(kept, people[-1], 2)
    assert devices.password_version(again, people[-1]) == 2
    assert len(again) == len(kept)


@given(st.one_of(st.none(), st.text(), st.text("wd_.A0-", max_size=180)))
def test_anything_may_be_presented_and_nothing_strange_is_kept(presented: str | None) -> None:
    devices = DeviceTokens(ServiceSecrets([NEW]))
    assert devices.password_version(presented, EMAIL) is None
    kept = devices.remember(presented, EMAIL, 1).split(".")
    assert len(kept) <= MOST_ACCOUNTS
    assert all(len(part) == 40 and part.isascii() and part.startswith("wwd_") for part in kept)
