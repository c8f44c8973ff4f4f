"""Stored hashes of every format, made by argon2-cffi, bcrypt and hashlib, and not by the code under test."""

import hashlib
import hmac
from base64 import b64encode
from collections.abc import Callable

import argon2
import bcrypt

PASSWORD = "l\u00e8tmein \U0001f511"


def b64(raw: bytes) -> str:
    return b64encode(raw).decode().rstrip("=")


def argon2_hash(
    password: str = PASSWORD,
    *,
    m: int = 8,
    t: int = 1,
    p: int = 1,
    kind: str = "ID",
    size: int = 32,
    salt: int = 16,
) -> str:
    made = argon2.PasswordHasher(
        memory_cost=m, time_cost=t, parallelism=p, type=argon2.Type[kind], hash_len=size, salt_len=salt
    )
    return made.hash(password)


def bcrypt_hash(secret: bytes, cost: int = 4) -> str:
    return bcrypt.hashpw(secret, bcrypt.gensalt(cost)).decode()


def bcrypt_sha256_hash(password: str, *, version: int = 2) -> str:
    salt = bcrypt.gensalt(4).decode()
    key, secret = salt[-22:].encode(), password.encode()
    digest = hashlib.sha256(secret) if version == 1 else hmac.new(key, secret, "sha256")
    full = bcrypt.hashpw(b64encode(digest.digest()), salt.encode()).decode()
    head = "2b,4" if version == 1 else "v=2,t=2b,r=4"
    return f"$bcrypt-sha256${head}${full[7:29]}${full[29:]}"


def scrypt_hash(password: str, *, log_cost: int = 4, r: int = 8, p: int = 2) -> str:
    digest = hashlib.scrypt(password.encode(), salt=b"saltsalt", n=1 << log_cost, r=r, p=p, dklen=32)
    return f"$scrypt$ln={log_cost},r={r},p={p}${b64(b'saltsalt')}${b64(digest)}"


def pbkdf2_hash(password: str, name: str, rounds: int = 10) -> str:
    digest = hashlib.pbkdf2_hmac(name, password.encode(), b"saltsalt", rounds)
    return f"$pbkdf2-{name}${rounds}${b64(b'saltsalt')}${b64(digest)}".replace("+", ".")


def django_pbkdf2_hash(password: str, name: str, rounds: int = 10) -> str:
    digest = hashlib.pbkdf2_hmac(name, password.encode(), b"seasalt", rounds)
    return f"pbkdf2_{name}${rounds}$seasalt${b64encode(digest).decode()}"


def django_scrypt_hash(password: str, n: int = 16) -> str:
    digest = hashlib.scrypt(password.encode(), salt=b"seasalt", n=n, r=8, p=5)
    return f"scrypt${n}$seasalt$8$5${b64encode(digest).decode()}"


def django_bcrypt_sha256_hash(password: str) -> str:
    return "bcrypt_sha256$" + bcrypt_hash(hashlib.sha256(password.encode()).hexdigest().encode())


def werkzeug_scrypt_hash(password: str) -> str:
    digest = hashlib.scrypt(password.encode(), salt=b"seasalt", n=16, r=8, p=1)
    return f"scrypt:16:8:1$seasalt${digest.hex()}"


def werkzeug_pbkdf2_hash(password: str, name: str) -> str:
    digest = hashlib.pbkdf2_hmac(name, password.encode(), b"seasalt", 10)
    return f"pbkdf2:{name}:10$seasalt${digest.hex()}"


def phpass_hash(password: str, mark: str = "$P$") -> str:
    """OpenWall's portable hash with 2^7 rounds, as WordPress and phpBB used it."""
    letters = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
    digest = hashlib.md5(b"seasalts" + password.encode()).digest()  # noqa: S324 - it is that format's
    for _ in range(1 << 7):
        digest = hashlib.md5(digest + password.encode()).digest()  # noqa: S324 - it is that format's
    groups = [digest[start : start + 3] for start in range(0, 16, 3)]
    bits = [(int.from_bytes(group, "little"), -(-len(group) * 8 // 6)) for group in groups]
    encoded = "".join(letters[value >> (6 * place) & 63] for value, size in bits for place in range(size))
    return f"{mark}{letters[7]}seasalts{encoded}"


def wordpress_bcrypt_hash(password: str) -> str:
    mac = hmac.new(b"wp-sha384", password.encode(), "sha384").digest()
    return "$wp" + bcrypt_hash(b64encode(mac)).replace("$2b$", "$2y$")


IMPORTED: dict[str, Callable[[str], str]] = {
    "argon2i": lambda password: argon2_hash(password, kind="I"),
    "argon2d": lambda password: argon2_hash(password, kind="D"),
    "bcrypt": lambda password: bcrypt_hash(password.encode()),
    "bcrypt 2a": lambda password: bcrypt_hash(password.encode()).replace("$2b$", "$2a$"),
    "bcrypt 2y": lambda password: bcrypt_hash(password.encode()).replace("$2b$", "$2y$"),
    "bcrypt_sha256": bcrypt_sha256_hash,
    "bcrypt_sha256 version 1": lambda password: bcrypt_sha256_hash(password, version=1),
    "scrypt": scrypt_hash,
    "pbkdf2_sha256": lambda password: pbkdf2_hash(password, "sha256"),
    "pbkdf2_sha512": lambda password: pbkdf2_hash(password, "sha512"),
    "Django pbkdf2_sha256": lambda password: django_pbkdf2_hash(password, "sha256"),
    "Django pbkdf2_sha1": lambda password: django_pbkdf2_hash(password, "sha1"),
    "Django scrypt": django_scrypt_hash,
    "Django bcrypt": lambda password: "bcrypt$" + bcrypt_hash(password.encode()),
    "Django bcrypt_sha256": django_bcrypt_sha256_hash,
    "Django argon2i": lambda password: "argon2" + argon2_hash(password, kind="I"),
    "Werkzeug scrypt": werkzeug_scrypt_hash,
    "Werkzeug pbkdf2 sha1": lambda password: werkzeug_pbkdf2_hash(password, "sha1"),
    "Werkzeug pbkdf2 sha256": lambda password: werkzeug_pbkdf2_hash(password, "sha256"),
    "Werkzeug pbkdf2 sha512": lambda password: werkzeug_pbkdf2_hash(password, "sha512"),
    "WordPress": phpass_hash,
    "phpBB": lambda password: phpass_hash(password, "$H$"),
    "WordPress 6.8": wordpress_bcrypt_hash,
}
"""For every scheme except the current one, a function from a password to its hash."""
