"""Findings about stored password hashes."""

import pytest

from app.cli.doctor.passwords import check_hashes
from app.services.operator.password_hashes import HashCount


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (HashCount(1, True, {}), "ok The password hashes of 1 account have known forms."),
        (
            HashCount(50_000, False, {}),
            "ok The password hashes of the first 50,000 accounts, in the order of their ids, have",
        ),
        (
            HashCount(3000, True, {"scrypt:": 2, "$P$": 1200}),
            (
                "warning 1,202 password hashes of 3,000 accounts have no form that this release knows: "
                "$P$ (1,200), scrypt: (2). No password matches them"
            ),
        ),
        (HashCount(2, True, {"$P$": 1}), "warning 1 password hash of 2 accounts have no form"),
    ],
)
def test_hashes_of_unknown_forms_are_a_warning_with_their_formats(count: HashCount, text: str) -> None:
    finding = check_hashes(count)
    assert f"{finding.level} {finding.text}".startswith(text)
