"""Device tokens: valid for one account, unforgeable, and equal for all devices of that account."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.crypto.device_tokens import MOST_ACCOUNTS, DeviceTokens
from app.crypto.secrets import ServiceSecrets
from app.domain.accounts import CanonicalEmail

OLD, NEW = (sha256(name).digest() for name in (b"old", b"new"))
EMAIL = CanonicalEmail("ada@example.com")
ANOTHER = CanonicalEmail("another@example.com")


@pytest.fixture
def devices() -> DeviceTokens:
    return DeviceTokens(ServiceSecrets([NEW, OLD]))


def changed(token: str, position: int) -> str:
    """The same token with another byte at this position."""
    raw = bytearray(urlsafe_b64decode(token.removeprefix("wwd_")))
    raw[position] ^= 1
    return "wwd_" + urlsafe_b64encode(raw).decode()


def test_a_device_token_is_valid_only_for_the_account_that_signed_in(devices: DeviceTokens) -> None:
    token = devices.remember("", EMAIL, 7)
    assert devices.password_version(token, EMAIL) == 7
    assert devices.password_version(token, ANOTHER) is None
    assert EMAIL not in token


def test_device_tokens_of_one_account_are_equal(devices: DeviceTokens) -> None:
    assert devices.remember("", EMAIL, 1) == devices.remember("", EMAIL, 1)


def test_a_device_token_is_valid_only_under_a_listed_secret(devices: DeviceTokens) -> None:
    token = DeviceTokens(ServiceSecrets([OLD])).remember(None, EMAIL, 1)
    assert devices.password_version(token, EMAIL) == 1
    assert DeviceTokens(ServiceSecrets([NEW])).password_version(token, EMAIL) is None


@pytest.mark.parametrize("position", range(27))
def test_a_token_with_any_byte_changed_is_invalid(devices: DeviceTokens, position: int) -> None:
    token = changed(devices.remember("", EMAIL, 1), position)
    assert devices.password_version(token, EMAIL) is None


def test_a_device_remembers_the_accounts_that_it_used_last(devices: DeviceTokens) -> None:
    people = [CanonicalEmail(f"{number}@example.com") for number in range(MOST_ACCOUNTS + 2)]
    kept = ""
    for person in people:
        kept = devices.remember(kept, person, 1)
    remembered = [person for person in people if devices.password_version(kept, person) is not None]
    assert remembered == people[-MOST_ACCOUNTS:]
    again = devices.remember(kept, people[-1], 2)
    assert devices.password_version(again, people[-1]) == 2
    assert len(again) == len(kept)


@given(st.one_of(st.none(), st.text(), st.text("wd_.A0-", max_size=180)))
def test_any_text_may_be_presented_and_only_well_formed_tokens_are_kept(presented: str | None) -> None:
    devices = DeviceTokens(ServiceSecrets([NEW]))
    assert devices.password_version(presented, EMAIL) is None
    kept = devices.remember(presented, EMAIL, 1).split(".")
    assert len(kept) <= MOST_ACCOUNTS
    assert all(len(part) == 40 and part.isascii() and part.startswith("wwd_") for part in kept)
