import pytest

from app.domain.passwords import MAX_BYTES, PasswordPolicy, Weakness, normalise, unusable, weakness

POLICY = PasswordPolicy(min_length=8)


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
def test_two_keyboards_send_one_password(typed: str, normal: str) -> None:
    assert normalise(typed) == normal


@pytest.mark.parametrize("password", ["x" * 8, "        ", "\U0001f511" * 8, "p" * MAX_BYTES, "a\u0301" * 8])
def test_nothing_but_length_is_asked(password: str) -> None:
    assert weakness(password, POLICY) is None


@pytest.mark.parametrize(
    "password",
    [
        "",
        "x" * 7,
        # Bytes do not count, and neither do accents that NFKC folds into their letters.
        "\U0001f511" * 7,
        "a\u0301" * 7,
    ],
)
def test_length_is_counted_in_code_points_after_normalising(password: str) -> None:
    assert weakness(password, POLICY) is Weakness.TOO_SHORT
    assert unusable(password) is None


@pytest.mark.parametrize(
    "password",
    [
        "x" * (MAX_BYTES + 1),
        "\u00e9" * (MAX_BYTES // 2 + 1),
        # One ligature of 3 bytes becomes 33.
        "\ufdfa" * 32,
        # Typed too long, though its normal form is not.
        "\uff50" * MAX_BYTES,
    ],
)
def test_length_is_bounded_in_bytes_before_and_after_normalising(password: str) -> None:
    assert weakness(password, POLICY) is Weakness.TOO_LONG


def test_the_bound_itself_is_allowed() -> None:
    assert unusable("\u00e9" * (MAX_BYTES // 2)) is None


@pytest.mark.parametrize("password", ["\ud800", "long enough \udfff", "\udc00" * 2000])
def test_a_lone_surrogate_is_refused_and_not_a_crash(password: str) -> None:
    assert weakness(password, POLICY) is Weakness.NOT_TEXT
    assert unusable(password) is Weakness.NOT_TEXT
