"""Formats of hashes are named by their mark, and never by a part of a hash or of a password."""

import pytest

from app.crypto.hash_formats import UNMARKED, format_name


@pytest.mark.parametrize(
    ("stored", "name"),
    [
        ("$P$Babcdefgh8r0pjw2VYHos27nIoGfnk.", "$P$"),
        ("$H$9abcdefgh8r0pjw2VYHos27nIoGfnk.", "$H$"),
        ("$wp$2y$08$7INtqR0spEBme2F69sqjD.B2kTP.iVMieyOyYmslWctZCFKY/KuOy", "$wp$"),
        ("pbkdf2:sha256:50000$saltsaltsalt$33b4226a73871eea", "pbkdf2:"),
        ("scrypt:32768:8:1$saltsaltsalt$09535314d0cd467a", "scrypt:"),
        ("$2b$04$short", "$2b$"),
        ("$6$salt$hash", "$6$"),
        ("$y$j9T$salt$hash", "$y$"),
        ("$apr1$salt$hash", "$apr1$"),
        ("{SSHA}c2FsdHNhbHQ=", "{SSHA}"),
        ("sha1$salt$hash", "sha1$"),
        ("$argon2id$v=19$m=8", "$argon2id$"),
        ("5f4dcc3b5aa765d61d8327deb882cf99", UNMARKED),
        ("", UNMARKED),
        ("!", UNMARKED),
    ],
)
def test_a_format_is_named_by_its_mark(stored: str, name: str) -> None:
    assert format_name(stored) == name


@pytest.mark.parametrize(
    "password", ["correct horse battery staple", "secret$word", "$ecret$word", "{secret}word", "word:secret"]
)
def test_nothing_of_a_password_in_plain_text_is_shown(password: str) -> None:
    assert format_name(password) == UNMARKED
