"""The canonical form of e-mail addresses, and the alphabet of roles."""

import unicodedata
from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app.domain.accounts import MAX_EMAIL_LENGTH, Account, is_role, normalise_email

any_text = st.text(st.characters(), max_size=40)
addresses = st.builds("{}@{}".format, any_text, any_text)


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("ada@example.com", "ada@example.com"),
        ("  ADA@Example.COM\r\n", "ada@example.com"),
        ("\uff41da@example.com", "ada@example.com"),
        ("e\u0301@example.com", "\u00e9@example.com"),
        ("\u00c9@example.com", "\u00e9@example.com"),
        ("\ufb01sh@example.com", "fish@example.com"),
        ("ada+tag@example.com", "ada+tag@example.com"),
        ("a@b", "a@b"),
        # NFKC turns the Kelvin sign into K, and a full-width A into A.
        ("\u212a@\uff21.com", "k@a.com"),
        # NFKC turns the small @ into @.
        ("ada\ufe6bexample.com", "ada@example.com"),
    ],
)
def test_different_spellings_normalise_to_one_address(typed: str, expected: str) -> None:
    assert normalise_email(typed) == expected


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "   ",
        "ada",
        "@example.com",
        "ada@",
        "ada@home@example.com",
        "ada lovelace@example.com",
        "ada\u00a0l@example.com",
        "ada\u2003l@example.com",
        "ada\n@example.com",
        "ada\0@example.com",
        "ada\x7f@example.com",
        "ada@example.com\r\nBcc: eve@example.com",
        "\ud800@example.com",
        "ada@\udfff.com",
        "ada@ex\udc80ample.com",
    ],
)
def test_text_that_is_not_an_address_normalises_to_none(typed: str) -> None:
    assert normalise_email(typed) is None


def test_an_address_has_at_most_254_characters() -> None:
    host = "@" + "h" * 63 + ".example.com"

    longest = "a" * (MAX_EMAIL_LENGTH - len(host)) + host

    assert MAX_EMAIL_LENGTH == 254
    assert normalise_email(longest) == longest
    assert normalise_email("a" + longest) is None


@pytest.mark.parametrize(
    ("typed", "fits"),
    [
        # NFKC turns this character of three bytes into eighteen characters.
        ("\ufdfa@x", False),
        ("\u3392" * 80 + "@x", True),
        ("\u3392" * 90 + "@x", False),
        # It is trimmed before it is measured, up to a bound.
        (" " * 900 + "a@x", True),
        (" " * 1014 + "a@x", False),
    ],
)
def test_the_length_is_measured_after_normalising(typed: str, *, fits: bool) -> None:
    assert (normalise_email(typed) is not None) is fits


@given(addresses | any_text)
@example("\u0130@example.com")
@example("\u1e9e\u0345\u0399@x")
@example("\u03a9\u0345\u0301@x")
@example("\u00a0\u0041\u030a@x\u3000")
def test_normalising_is_idempotent(typed: str) -> None:
    email = normalise_email(typed)

    if email is not None:
        assert normalise_email(email) == email
        assert email == email.strip()
        assert unicodedata.is_normalized("NFKC", email)
        assert email.encode().decode() == email
        assert 3 <= len(email) <= MAX_EMAIL_LENGTH
        assert email.count("@") == 1


@given(st.from_regex(r"[a-z0-9._+-]{1,30}@[a-z0-9.-]{1,30}", fullmatch=True))
def test_case_and_surrounding_space_do_not_matter(address: str) -> None:
    assert normalise_email(f"\t{address.upper()} ") == normalise_email(address) == address


@pytest.mark.parametrize("role", ["a", "0", "admin", "billing:read", "a.b_c-d", "a" * 64])
def test_a_valid_role_is_accepted(role: str) -> None:
    assert is_role(role)


@pytest.mark.parametrize(
    "role", ["", "Admin", "-a", "_a", ":a", ".a", "a b", "a,b", "a\n", "\u00e9", "\u0661", "a" * 65, "\ud800"]
)
def test_an_invalid_role_is_refused(role: str) -> None:
    assert not is_role(role)


def test_the_password_hash_is_not_in_the_repr() -> None:
    account = Account(
        UUID(int=1), "ada@example.com", (), True, datetime(2026, 7, 1, tzinfo=UTC), "$argon2id$", 1
    )

    assert "argon2" not in repr(account)
