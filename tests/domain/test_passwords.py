import pytest

from app.domain.passwords import (
    MAX_BYTES,
    PasswordPolicy,
    Weakness,
    fold,
    normalise,
    objection,
    unusable,
    weakness,
)

POLICY = PasswordPolicy(min_length=8, host="auth.example.com")
LONG = "".join(f"{number} " for number in range(1000))
ADVICE = {
    Weakness.TOO_SHORT: "Make the password longer by 3: it needs at least 8 characters.",
    Weakness.TOO_LONG: "Make the password shorter: it may have at most 1,024 bytes.",
    Weakness.NOT_TEXT: "Type the password again: it is not valid text.",
    Weakness.PERSONAL: "Use words that have nothing to do with the e-mail address or with this service.",
    Weakness.PREDICTABLE: "Use several unrelated words instead of letters or digits in their usual order.",
    Weakness.COMMON: "Use several unrelated words instead of a password that many people have.",
    Weakness.GUESSABLE: "Add unrelated words: a guesser who combines common words and dates finds this soon.",
    Weakness.BREACHED: "Use another password, here and wherever you use this one: it has been stolen before.",
}


def weakness_of(password: str) -> Weakness | None:
    return weakness(password, "alice@example.net", POLICY, frozenset(), lambda _text, _names: 10.0)


@pytest.mark.requirement("P5")
@pytest.mark.parametrize(
    ("typed", "normal"),
    [
        ("correct horse", "correct horse"),
        ("e\u0301te\u0301", "\u00e9t\u00e9"),
        ("\uff30\uff41\uff53\uff53", "Pass"),
        ("\ufb01sh", "fish"),
        ("tab\tand \u0000", "tab\tand \u0000"),
    ],
)
def test_different_encodings_of_a_password_normalise_to_one(typed: str, normal: str) -> None:
    assert normalise(typed) == normal


@pytest.mark.requirement("P5")
@pytest.mark.parametrize(
    "password",
    [
        "xyzzyxx!",
        "  of blanks  ",
        "\U0001f511\U0001f40e\U0001f50b\U0001f4ce\U0001f3b2\U0001f355\U0001f98a\U0001f680",
        "h\u00f4tel caf\u00e9",
        "\u0437\u0430\u0433\u0430\u0434\u043a\u0430 7",
        LONG[:MAX_BYTES],
    ],
)
def test_only_length_is_required_of_an_unguessable_password(password: str) -> None:
    assert weakness_of(password) is None


@pytest.mark.parametrize(
    "password",
    [
        "",
        "x" * 7,
        # Neither bytes count, nor accents that NFKC combines with their letters.
        "\U0001f511" * 7,
        "a\u0301" * 7,
    ],
)
def test_length_is_counted_in_code_points_after_normalising(password: str) -> None:
    assert weakness_of(password) is Weakness.TOO_SHORT
    assert unusable(password) is None


@pytest.mark.parametrize(
    "password",
    [
        "x" * (MAX_BYTES + 1),
        "\u00e9" * (MAX_BYTES // 2 + 1),
        # NFKC turns this ligature of 3 bytes into 33 bytes.
        "\ufdfa" * 32,
        # The password as typed is too long, its NFKC form is not.
        "\uff50" * MAX_BYTES,
    ],
)
def test_length_is_bounded_in_bytes_before_and_after_normalising(password: str) -> None:
    assert weakness_of(password) is Weakness.TOO_LONG


def test_a_password_of_exactly_the_maximum_length_is_allowed() -> None:
    assert unusable("\u00e9" * (MAX_BYTES // 2)) is None


@pytest.mark.parametrize("password", ["\ud800", "long enough \udfff", "\udc00" * 2000])
def test_a_lone_surrogate_is_refused_without_an_error(password: str) -> None:
    assert weakness_of(password) is Weakness.NOT_TEXT
    assert unusable(password) is Weakness.NOT_TEXT


def test_folding_ignores_case_and_encoding() -> None:
    for spelling in ("Stra\u00dfe", "STRASSE", "\uff33trasse", "Stra\u1e9ee"):
        assert fold(spelling) == "strasse"
    # Case folding decomposes this letter.
    assert fold(fold("\u0390")) == fold("\u0390") == normalise("\u0390")


@pytest.mark.parametrize("weak", Weakness)
def test_every_weakness_has_advice_that_does_not_quote_the_password(weak: Weakness) -> None:
    result = objection(weak, "h\uff4frse", POLICY)
    assert (result.weakness, result.advice) == (weak, ADVICE[weak])


def test_missing_characters_are_counted_after_normalising() -> None:
    result = objection(Weakness.TOO_SHORT, "a\u0301" * 7, POLICY)
    assert result.advice == "Make the password longer by 1: it needs at least 8 characters."
