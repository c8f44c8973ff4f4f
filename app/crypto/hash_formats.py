"""The formats of stored password hashes: those that passlib verifies, and the names of all others."""

import hmac
import re
from base64 import b64decode, b64encode
from threading import Lock
from typing import Any

from passlib.context import CryptContext
from passlib.hash import django_bcrypt_sha256, phpass

_TRIMMED = b" \t\n\r\0\x0b"
"""PHP's trim(), which WordPress applies to a password that is set and to one that is presented."""


class _Phpass(phpass):  # type: ignore[misc] # passlib has no types
    """WordPress before 6.8 (``$P$``), and phpBB (``$H$``), which trims nothing."""

    def _calc_checksum(self, secret: bytes) -> str:
        trimmed = secret.strip(_TRIMMED) if self.ident == "$P$" else secret
        checksum: str = super()._calc_checksum(trimmed)
        return checksum


class _WordPressBcrypt(django_bcrypt_sha256):  # type: ignore[misc] # passlib has no types
    """WordPress 6.8: ``$wp`` and a bcrypt hash of the password's HMAC."""

    name, django_prefix = "wordpress_bcrypt", "$wp"

    def _calc_checksum(self, secret: bytes) -> str:
        mac = hmac.digest(b"wp-sha384", secret.strip(_TRIMMED), "sha384")
        checksum: str = super(django_bcrypt_sha256, self)._calc_checksum(b64encode(mac))
        return checksum


FORMATS = CryptContext(
    [
        *("argon2", "bcrypt", "bcrypt_sha256", "scrypt", "pbkdf2_sha1", "pbkdf2_sha256", "pbkdf2_sha512"),
        *("django_pbkdf2_sha256", "django_pbkdf2_sha1", "django_bcrypt_sha256"),
        *(_Phpass, _WordPressBcrypt),
    ]
)
LOADING = Lock()
"""Held while passlib loads the backend of bcrypt, which it does without a lock."""
_DJANGO_PREFIX = re.compile(r"^(?:argon2(?=\$argon2)|bcrypt\$(?=\$2))")
_DJANGO_SCRYPT = re.compile(r"scrypt\$([0-9]+)\$([^$]+)\$([0-9]+)\$([0-9]+)\$([A-Za-z0-9+/]{86}==)")
_WERKZEUG_SCRYPT = re.compile(r"scrypt:([0-9]+):([0-9]+):([0-9]+)\$([^$]+)\$([0-9a-f]{128})")
_WERKZEUG_PBKDF2 = re.compile(r"pbkdf2:(sha1|sha256|sha512):([0-9]+)\$([^$]+)\$([0-9a-f]+)")

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


def as_passlib(stored: str) -> str:
    """A hash that Django or Werkzeug made, as passlib spells it; any other text unchanged."""
    if found := _DJANGO_SCRYPT.fullmatch(stored):
        cost, salt, block, lanes, digest = found.groups()
        return _scrypt(cost, block, lanes, salt, b64decode(digest))
    if found := _WERKZEUG_SCRYPT.fullmatch(stored):
        cost, block, lanes, salt, digest = found.groups()
        return _scrypt(cost, block, lanes, salt, bytes.fromhex(digest))
    if found := _WERKZEUG_PBKDF2.fullmatch(stored):
        digest_name, rounds, salt, digest = found.groups()
        scheme = "pbkdf2" if digest_name == "sha1" else f"pbkdf2-{digest_name}"
        return f"${scheme}${rounds}${_ab64(salt.encode())}${_ab64(bytes.fromhex(digest))}"
    return _DJANGO_PREFIX.sub("", stored)


def _scrypt(cost: str, block: str, lanes: str, salt: str, digest: bytes) -> str:
    if int(cost) & (int(cost) - 1):
        raise ValueError("the cost of scrypt is a power of two")
    # scrypt's output is a stream: passlib's 32 bytes are the first of the 64.
    parts = (b64encode(raw).decode().rstrip("=") for raw in (salt.encode(), digest[:32]))
    return f"$scrypt$ln={int(cost).bit_length() - 1},r={block},p={lanes}${'$'.join(parts)}"


def _ab64(raw: bytes) -> str:
    return b64encode(raw).decode().rstrip("=").replace("+", ".")


def verify(secret: bytes, handler: Any) -> bool:  # noqa: ANN401 - passlib has no types
    """Whether a stored hash is of this password; raises what its backend raises."""
    if "bcrypt" in handler.name:
        # The first time, it is tested for 17 ms, which not every process has to spend.
        with LOADING:
            FORMATS.handler("bcrypt").get_backend()
    return bool(handler.verify(secret, handler.to_string()))


def format_name(stored: str) -> str:
    """The mark that a hash begins with, such as ``$1$`` of md5crypt, or ``UNMARKED``."""
    found = _MARKS.match(stored)
    return found[0] if found else UNMARKED
