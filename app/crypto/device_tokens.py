"""Device tokens: proof that a device has signed in to an account before.

``wwd_`` and the base64url of ``version(1) | secret id(4) | password version(4) | mac(18)``.
The mac also covers the account's canonical e-mail address, which is not in the token. A token therefore does
not reveal its account, and all devices of an account have equal tokens.
A device stores the tokens of several accounts, joined by dots, the one used last first.
"""

import hmac
import re
import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode

from app.crypto.secrets import ServiceSecret, ServiceSecrets
from app.domain.accounts import CanonicalEmail

PREFIX = "wwd_"
MOST_ACCOUNTS = 4
_VERSION = 1
_BODY = struct.Struct(">B4sI")
_MAC_LENGTH = 18
_TOKEN = re.compile(r"wwd_[A-Za-z0-9_-]{36}", re.ASCII)
_LONGEST = MOST_ACCOUNTS * len("wwd_") + MOST_ACCOUNTS * 36 + MOST_ACCOUNTS - 1


class DeviceTokens:
    """Writes and reads device tokens; stores nothing."""

    def __init__(self, secrets: ServiceSecrets) -> None:
        self._secrets = secrets

    def password_version(self, presented: str | None, email: CanonicalEmail) -> int | None:
        """The password version with which the device last signed in to this account, or None."""
        for token in _tokens(presented):
            version = self._read(token, email)
            if version is not None:
                return version
        return None

    def remember(self, presented: str | None, email: CanonicalEmail, password_version: int) -> str:
        """The tokens that the device stores from now on: one of this account, then those of others."""
        secret = self._secrets.newest
        body = _BODY.pack(_VERSION, secret.id, password_version)
        token = PREFIX + urlsafe_b64encode(body + _mac(secret, body, email)).decode()
        others = [other for other in _tokens(presented) if self._read(other, email) is None]
        return ".".join([token, *others][:MOST_ACCOUNTS])

    def _read(self, token: str, email: CanonicalEmail) -> int | None:
        raw = urlsafe_b64decode(token.removeprefix(PREFIX))
        body, mac = raw[: _BODY.size], raw[_BODY.size :]
        version, secret_id, password_version = _BODY.unpack(body)
        secret = self._secrets.find(secret_id)
        if version != _VERSION or secret is None or not hmac.compare_digest(mac, _mac(secret, body, email)):
            return None
        return int(password_version)


def _mac(secret: ServiceSecret, body: bytes, email: CanonicalEmail) -> bytes:
    message = body + email.encode(errors="surrogatepass")
    return hmac.digest(secret.device_key, message, "sha256")[:_MAC_LENGTH]


def _tokens(presented: str | None) -> list[str]:
    """The well-formed tokens in a presented text; the text is untrusted."""
    parts = [] if presented is None or len(presented) > _LONGEST else presented.split(".")
    return [part for part in parts if _TOKEN.fullmatch(part)]
