"""The issuer's status list, as a test wants it."""

import json
import zlib
from typing import Any

from conformance.issuer import Issuer
from conformance.minting import b64, joined, new_key
from testing.clock import ManualClock, eventually

PATH = "/status/0"
TYPE = "application/statuslist+jwt"


class Lists:
    """The issuer's list, of one bit for each of 64 tokens."""

    def __init__(self, issuer: Issuer, clock: ManualClock, path: str = PATH) -> None:
        self._issuer = issuer
        self._clock = clock
        self._path = path
        self.uri = issuer.url + path
        self.bytes = bytearray(8)
        self.key = new_key("one")
        self.etag = 0

    def revoke(self, index: int) -> None:
        self.bytes[index >> 3] |= 1 << (index & 7)
        self.publish()

    def signed(self, header: dict[str, Any] | None = None, **changes: Any) -> bytes:
        now = int(self._clock.wall())
        packed = {"bits": 1, "lst": b64(zlib.compress(bytes(self.bytes)))}
        claims = {
            "iss": self._issuer.url,
            "sub": self.uri,
            "iat": now,
            "exp": now + 300,
            "ttl": 5,
            "status_list": packed,
        } | changes
        head = {"alg": self.key.algorithm, "kid": self.key.kid, "typ": "statuslist+jwt"} | (header or {})
        kept = {name: value for name, value in claims.items() if value is not None}
        return joined(json.dumps(head).encode(), json.dumps(kept).encode(), self.key.sign).encode()

    def publish(self, document: bytes | None = None, content_type: str = TYPE) -> None:
        self.etag += 1
        tag, content = f'"{self.etag}"', self.signed() if document is None else document

        def answer(request: Any) -> None:
            if request.headers.get("If-None-Match") == tag:
                request.reply(b"", 304, ETag=tag)
            else:
                request.reply(content, ETag=tag, Content_Type=content_type)

        self._issuer.behaviours[self._path] = answer

    def naming(self, index: int, uri: str | None = None) -> str:
        return json.dumps({"status_list": {"idx": index, "uri": uri or self.uri}})


def polled(issuer: Issuer, clock: ManualClock, seconds: float = 5) -> None:
    """Let the list be fetched again, and wait for what comes of it."""
    hits = issuer.hits[PATH]
    eventually(lambda: clock.waits(seconds * 0.9, seconds))
    clock.advance(seconds)
    eventually(lambda: issuer.hits[PATH] > hits)
    eventually(lambda: clock.waits(0.5, seconds))
