"""What is refused because it is guessed first, and what must not be refused for that reason."""

from string import ascii_letters, ascii_lowercase, digits, punctuation

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.crypto.blocklist import CommonPasswords
from app.domain.passwords import PasswordPolicy, Weakness, weakness

POLICY = PasswordPolicy(min_length=8, host="sign-in.example.com")
EMAIL = "alice.smith@mail.wonderland.org"
COMMON = frozenset({"iloveyou", "monkey", "straße".casefold()})
SHIPPED = CommonPasswords()
# Everyday words, some of which are common passwords, and some of which are part of the names above.
WORDS = [
    "anchor",
    "banana",
    "battery",
    "butter",
    "candle",
    "correct",
    "dragon",
    "elephant",
    "forest",
    "garden",
    "hammer",
    "horse",
    "island",
    "jacket",
    "kitchen",
    "ladder",
    "letter",
    "love",
    "mail",
    "monkey",
    "mountain",
    "orange",
    "password",
    "pepper",
    "princess",
    "river",
    "silver",
    "staple",
    "summer",
    "sunshine",
    "winter",
    "wonder",
]
DECORATION = st.text(digits + punctuation + " ", max_size=12)


def found(password: str, email: str = EMAIL) -> Weakness | None:
    return weakness(password, email, POLICY, COMMON)


@pytest.mark.parametrize(
    "password",
    [
        "iloveyou",
        "ILoveYou",
        "\uff49loveyou",
        "iloveyouiloveyou",
        "iloveyou iloveyou",
        "iloveyouilovey",
        "monkeymonkey",
        "Monkey, monkey, monkey",
        "STRASSESTRASSE",
        "aaaaaaaa",
        "        ",
        "!!!!!!!!",
        "abababab",
        "x1y x1y x1y",
        "pass-pass-pass",
        "7777777777777777777777777",
        "\U0001f511" * 8,
    ],
)
def test_what_many_have_is_refused_and_so_is_a_repetition_of_it_or_of_four_letters(password: str) -> None:
    assert found(password) is Weakness.COMMON


@pytest.mark.parametrize(
    "password",
    [
        "abcdefgh",
        "ZYXWVUTSRQ",
        "uvwxyzabcdef",
        "12345678",
        "1234567890123456",
        "0987654321098765",
        "4567890123",
        "qwertyuiop",
        "poiuytrewq",
        "qwertyuiopasdfgh",
        "qwertyuiop[]asdf",
        "1234567890qwerty",
        "asdfghjklasdfghjkl",
        "Asdfghjkl;'",
        "qwertzuiopasdfg",
        "azertyuiopqsdfgh",
        "1qaz2wsx3edc4rfv",
        "vfr4cde3xsw2zaq1",
        "abcdefghabcdefgh",
        "12345 12345 12345",
        "\u0430\u0431\u0432\u0433\u0434\u0435\u0436\u0437",
        "\u03b8\u03b7\u03b6\u03b5\u03b4\u03b3\u03b2\u03b1",
    ],
)
def test_letters_digits_and_keys_in_their_order_are_refused(password: str) -> None:
    assert found(password) is Weakness.PREDICTABLE


@pytest.mark.parametrize(
    "password",
    [
        EMAIL,
        EMAIL.upper(),
        "alice.smith",
        "Alice Smith 1990!",
        "12-alicesmith-34",
        "alice.smithalice.smith",
        "alicesmith@wonderland",
        "wonderland",
        "wonderland.org",
        "Wonderland2024!!!",
        "mail.wonderland.org",
        "watchword",
        "Watchword-2024",
        "watchword watchword",
        "sign-in.example.com",
        "example.com",
        "example 1234567",
    ],
)
def test_the_names_of_the_account_and_of_the_service_are_refused_among_digits_too(password: str) -> None:
    assert found(password) is Weakness.PERSONAL


def test_an_address_of_digits_is_a_name_as_well() -> None:
    number = "491511234567@mobile.example.net"
    for password in ("491511234567", "+49 151 1234567", "491511234567491511234567"):
        assert found(password, number) is Weakness.PERSONAL
    assert found("491511234568", number) is None


def test_a_name_of_two_letters_makes_no_password_personal() -> None:
    assert found("jo 8273 6459 1827", "jo@xy.example.net") is None
    assert found("joe 8273 6459 1827", "joe@xy.example.net") is Weakness.PERSONAL


@pytest.mark.parametrize(
    "password",
    [
        "correct horse battery staple",
        "another battery horse staple",
        "five battery horse staple",
        "a password that nobody has used before",
        "and one that nobody else has used either",
        "i love you, monkey",
        "watchword of the night",
        "alice in wonderland",
        "my name is alice smith",
        "abcdefg and so on",
        "qwerty is no word",
        "12345678 green bottles",
        "banana banana",
        "q7#kX2q7#kX2",
        "zyx is not abc",
        "\u79c1\u306e\u732b\u306f\u9b5a\u304c\u5927\u597d\u304d",
    ],
)
def test_a_passphrase_may_hold_any_word(password: str) -> None:
    assert found(password) is None


@given(
    words=st.lists(st.sampled_from(WORDS), min_size=4, max_size=8, unique=True),
    parting=st.sampled_from(["", " ", "-", "."]),
    spelling=st.sampled_from([str, str.title, str.upper]),
)
def test_four_different_words_are_never_refused(words: list[str], parting: str, spelling: type[str]) -> None:
    passphrase = spelling(parting.join(words))
    assert weakness(passphrase, EMAIL, POLICY, SHIPPED) is None


@given(
    name=st.sampled_from(["alicesmith", "WONDERLAND", "Watchword"]), around=st.tuples(DECORATION, DECORATION)
)
def test_no_digits_and_no_punctuation_make_a_password_of_a_name(name: str, around: tuple[str, str]) -> None:
    assert found(name.join(around)) is Weakness.PERSONAL


@given(piece=st.text(ascii_lowercase + digits, min_size=1, max_size=4), times=st.integers(8, 40))
def test_no_repetition_makes_a_password_of_four_letters(piece: str, times: int) -> None:
    assert found(piece * times) in {Weakness.COMMON, Weakness.PERSONAL}


@given(password=st.text(min_size=8, max_size=60), email=st.text(ascii_letters + "@.", max_size=30))
def test_any_text_gets_an_answer(password: str, email: str) -> None:
    assert found(password, email) in {None, *Weakness}


def test_no_address_makes_the_comparison_slow() -> None:
    # A regular expression of these names would try more ways than there are atoms.
    address = f"{'a' * 30}@{'a' * 31}.{'a' * 32}.{'a' * 33}"
    assert found("a" * 1000 + "b", address) is None
