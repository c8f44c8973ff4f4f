"""Names the formats of stored password hashes that no verifier understands, without a part of a hash."""

import re

UNMARKED = "without a known mark"
"""It may be anything, also a password in plain text, so nothing of it is shown."""

_MARKS = re.compile(
    r"""
    \$(?:P|H|S|wp|apr1|[0-9][a-z]?|y|gy|sha1|md5|argon2(?:id|i|d)|bcrypt-sha256|scrypt|pbkdf2[a-z0-9-]*)\$
    | \{(?:ARGON2|BCRYPT|CRYPT|MD5|PBKDF2[A-Z0-9-]*|SHA|SHA256|SHA512|SMD5|SSHA|SSHA256|SSHA512)\}
    | (?:argon2|bcrypt|bcrypt_sha256|md5|pbkdf2|pbkdf2_sha1|pbkdf2_sha256|scrypt|sha1|sha256|sha512)[:$]
    """,
    re.VERBOSE,
)


def format_name(stored: str) -> str:
    """The mark that the hash begins with, such as ``$P$`` of phpass, or ``UNMARKED``."""
    found = _MARKS.match(stored)
    return found[0] if found else UNMARKED
