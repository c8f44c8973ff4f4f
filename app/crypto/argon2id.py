"""Argon2id (RFC 9106) in the form of new hashes, computed by libsodium.

libsodium chooses the widest vector instructions of the processor when it is loaded. It computes without the
interpreter lock, as argon2-cffi and bcrypt do, so threads bound both the processors and the memory in use. It
has one lane and 16-byte salts; passlib verifies every other form.
"""

from base64 import b64encode
from hmac import compare_digest
from secrets import token_bytes
from typing import Any, TypeAlias

from nacl import bindings as sodium
from nacl import exceptions

SALT_BYTES, DIGEST_BYTES = 16, 32

_Handler: TypeAlias = Any  # passlib's object for one stored hash; passlib has no types.


def hash_password(password: bytes, kib: int, passes: int) -> str:
    """A new hash in PHC format, such as ``$argon2id$v=19$m=19456,t=2,p=1$...``, about 97 characters.

    Raises MemoryError when the kernel has none to give.
    """
    salt = token_bytes(SALT_BYTES)
    digest = _derive(password, salt, kib, passes)
    return f"$argon2id$v=19$m={kib},t={passes},p=1${_encode(salt)}${_encode(digest)}"


def is_own_form(handler: _Handler) -> bool:
    """Whether a stored hash has the form of ``hash_password``, with any cost."""
    return bool(
        handler.name == "argon2"
        and (handler.type, handler.version, handler.parallelism) == ("id", 0x13, 1)
        and (len(handler.salt), len(handler.checksum)) == (SALT_BYTES, DIGEST_BYTES)
    )


def matches(password: bytes, handler: _Handler) -> bool:
    """Whether a stored hash in its own form is of this password; MemoryError as in ``hash_password``."""
    digest = _derive(password, handler.salt, handler.memory_cost, handler.rounds)
    return compare_digest(digest, handler.checksum)


def _derive(password: bytes, salt: bytes, kib: int, passes: int) -> bytes:
    algorithm = sodium.crypto_pwhash_ALG_ARGON2ID13
    try:
        return sodium.crypto_pwhash_alg(DIGEST_BYTES, password, salt, passes, kib * 1024, algorithm)
    except exceptions.RuntimeError:  # The parameters are valid, so it is memory that is missing.
        raise MemoryError("no memory for a password hash") from None


def _encode(raw: bytes) -> str:
    return b64encode(raw).decode().rstrip("=")
