"""Guessable passwords are refused, and passphrases that contain ordinary words are not."""

from collections.abc import Iterable
from random import Random
from string import ascii_letters, ascii_lowercase, digits, punctuation

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.crypto.blocklist import CommonPasswords
from app.crypto.strength import guesses_log10
from app.domain.guessable import ESTIMATED
from app.domain.passwords import PasswordPolicy, Weakness, weakness

POLICY = PasswordPolicy(min_length=8, host="sign-in.example.com")
EMAIL = "alice.smith@mail.wonderland.org"
COMMON = frozenset({"iloveyou", "monkey", "straße".casefold()})
SHIPPED = CommonPasswords()
# Everyday words; some are common passwords, and some are part of the names above.
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


def weakness_of(password: str, email: str = EMAIL) -> Weakness | None:
    """By the rules alone: the estimate is always high."""
    return weakness(password, email, POLICY, COMMON, lambda _text, _names: 10.0)


def estimated(password: str, *, min_length: int = 15) -> Weakness | None:
    policy = PasswordPolicy(min_length, host="sign-in.example.com")
    return weakness(password, EMAIL, policy, SHIPPED, guesses_log10)


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
def test_common_passwords_and_repetitions_of_them_or_of_four_letters_are_refused(password: str) -> None:
    assert weakness_of(password) is Weakness.COMMON


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
def test_sequences_of_letters_digits_or_keys_are_refused(password: str) -> None:
    assert weakness_of(password) is Weakness.PREDICTABLE


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
def test_names_of_the_account_and_the_service_are_refused_even_with_digits_around_them(password: str) -> None:
    assert weakness_of(password) is Weakness.PERSONAL


def test_an_address_that_consists_of_digits_is_a_name_too() -> None:
    number = "491511234567@mobile.example.net"
    for password in ("491511234567", "+49 151 1234567", "491511234567491511234567"):
        assert weakness_of(password, number) is Weakness.PERSONAL
    assert weakness_of("491511234568", number) is None


def test_a_name_of_two_letters_makes_no_password_personal() -> None:
    assert weakness_of("jo 8273 6459 1827", "jo@xy.example.net") is None
    assert weakness_of("joe 8273 6459 1827", "joe@xy.example.net") is Weakness.PERSONAL


@pytest.mark.parametrize(
    "password",
    [
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
def test_a_passphrase_may_contain_any_word(password: str) -> None:
    assert weakness_of(password) is None


@given(
    words=st.lists(st.sampled_from(WORDS), min_size=4, max_size=8, unique=True),
    parting=st.sampled_from(["", " ", "-", "."]),
    spelling=st.sampled_from([str, str.title, str.upper]),
)
def test_four_different_words_are_never_refused(words: list[str], parting: str, spelling: type[str]) -> None:
    passphrase = spelling(parting.join(words))
    assert estimated(passphrase) is None


@given(
    name=st.sampled_from(["alicesmith", "WONDERLAND", "Watchword"]), around=st.tuples(DECORATION, DECORATION)
)
def test_a_name_is_refused_with_any_digits_and_punctuation_around_it(
    name: str, around: tuple[str, str]
) -> None:
    assert weakness_of(name.join(around)) is Weakness.PERSONAL


@given(piece=st.text(ascii_lowercase + digits, min_size=1, max_size=4), times=st.integers(8, 40))
def test_four_letters_are_refused_however_often_they_are_repeated(piece: str, times: int) -> None:
    assert weakness_of(piece * times) in {Weakness.COMMON, Weakness.PERSONAL}


@given(password=st.text(min_size=8, max_size=60), email=st.text(ascii_letters + "@.", max_size=30))
def test_every_text_is_judged_without_an_error(password: str, email: str) -> None:
    assert weakness_of(password, email) in {None, *Weakness}


def test_no_address_makes_the_comparison_exponential() -> None:
    # A regular expression of these names would backtrack exponentially.
    address = f"{'a' * 30}@{'a' * 31}.{'a' * 32}.{'a' * 33}"
    assert weakness_of("a" * 1000 + "b", address) is None


@pytest.mark.requirement("P5")
@pytest.mark.parametrize(
    "password",
    [
        "Password1234567",
        "passwordpassword1",
        "iloveyou1234567",
        "aaaaaaaaaaaaaaab",
        "CorrectHorseBatteryStaple1",
        "mynameisalexander",
        "Summer2026!Summer",
        "January151987January",
        "P@$$w0rd!P@$$w0rd!!",
        "letmein letmein1",
        "monkeymonkey1234",
        # Names of the account and the service are words that a guesser tries first.
        "wonderlandwonder1987",
    ],
)
def test_a_long_password_of_few_guesses_is_refused(password: str) -> None:
    assert estimated(password) is Weakness.GUESSABLE


@pytest.mark.parametrize(
    "password",
    [
        "correcthorsebatterystaple",
        "CorrectHorseBatteryStaple",
        "correct horse battery staple",
        "Correct-Horse-Battery-Staple!",
    ],
)
def test_a_passphrase_that_everybody_knows_is_common(password: str) -> None:
    assert estimated(password) is Weakness.COMMON


def test_passwords_that_a_program_makes_are_not_refused() -> None:
    for size, letters in (
        (15, ascii_lowercase),
        (16, ascii_letters + digits + punctuation),
        (20, "0123456789abcdef"),
    ):
        made = ["".join(Random(seed).choices(letters, k=size)) for seed in range(200)]
        assert [password for password in made if estimated(password)] == []
    # A host that accepts short passwords gets few false refusals.
    short = ["".join(Random(seed).choices(ascii_lowercase + digits, k=8)) for seed in range(200)]
    assert len([password for password in short if estimated(password, min_length=8)]) <= 2


def test_two_hundred_passphrases_of_four_random_words_are_not_refused() -> None:
    for seed in range(200):
        words = Random(seed).choices(WORDS, k=4)
        if len(set(words)) == 4:
            assert estimated(" ".join(words)) is None, words


def test_both_ends_of_a_long_password_have_to_be_weak() -> None:
    strong = "q7kx2mzd0vbw41tn"
    for password in (strong + "a" * 100, "a" * 100 + strong):
        assert estimated(password) is None
    assert estimated("a" * 60 + strong + "a" * 60) is Weakness.GUESSABLE


def test_the_estimated_text_is_short_and_has_no_symbol_that_stands_for_a_letter() -> None:
    seen = list[str]()

    def note(text: str, names: Iterable[str]) -> float:
        seen.append(text)
        assert {"alice", "smith", "wonderland", "sign", "watchword"} <= set(names)
        return 0.0

    policy = PasswordPolicy(15, host="sign-in.example.com")
    assert weakness("@$!({[<|+%" * 100 + "x1", EMAIL, policy, COMMON, note) is Weakness.GUESSABLE
    assert {len(text) for text in seen} == {ESTIMATED}
    assert all(text.isalnum() for text in seen)
