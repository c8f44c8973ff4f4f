"""The requests of one operation at one system, in the order in which clients send them."""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from bench.client import Answer, bearing, get, post
from bench.seeds import PASSWORD, Seeds


class Traffic(Protocol):
    """The requests of one operation."""

    def next(self) -> bytes | None:
        """Return the next request; None when there is no more."""

    def answered(self, answer: Answer) -> None:
        """Take the answer; AssertionError when it is not the one that a client needs."""


@dataclass
class Repeated:
    """The same requests again and again."""

    requests: deque[bytes]
    status: int = 200

    def next(self) -> bytes | None:
        """Return the request that was sent the longest time ago."""
        self.requests.rotate(-1)
        return self.requests[-1]

    def answered(self, answer: Answer) -> None:
        """Require the status."""
        assert answer.status == self.status, answer


@dataclass
class Single:
    """Requests that can be sent once, such as logouts."""

    requests: deque[bytes]
    status: int = 204

    def next(self) -> bytes | None:
        """Return a request that was not sent yet."""
        return self.requests.popleft() if self.requests else None

    def answered(self, answer: Answer) -> None:
        """Require the status."""
        assert answer.status == self.status, answer


@dataclass
class Rotating:
    """Requests that spend a token each, for which the answer has the successor."""

    path: str
    field: str
    tokens: deque[str]

    def next(self) -> bytes | None:
        """Spend the token that was received the longest time ago."""
        return post(self.path, {self.field: self.tokens.popleft()}) if self.tokens else None

    def answered(self, answer: Answer) -> None:
        """Require the successor, and keep it."""
        assert answer.status == 200, answer
        _, name, rest = answer.body.partition(b'"%s":"' % self.field.encode())
        assert name, answer
        self.tokens.append(rest[: rest.index(b'"')].decode())


def repeated(requests: Iterable[bytes], status: int = 200) -> Repeated:
    """Return traffic of the same requests again and again."""
    return Repeated(deque(requests), status)


def traffic_of(seeds: Seeds, etag: str, *, is_floor: bool) -> dict[str, Traffic]:
    """Return the traffic of each operation for the service or a floor; ``etag`` is that of its key set."""
    alone = "/me/postgres-alone" if is_floor else "/me"
    refreshes = Rotating("/refresh", "refresh_token", deque(seeds.refreshed))
    key_set = "/.well-known/jwks.json"
    return {
        "refresh": refreshes,
        "refresh_es256": refreshes,
        "login": repeated(map(_login, seeds.emails)),
        "login_without_hash": repeated(map(_login, seeds.cheap_emails)),
        "logout": Single(deque(post("/logout", {"refresh_token": token}) for token in seeds.ended)),
        "logout_bearer": Single(
            deque(post("/logout", None, bearing(token)) for token in seeds.ended_by_bearer)
        ),
        "jwks": repeated([get(key_set)]),
        "jwks_304": repeated([get(key_set, f"If-None-Match: {etag}\r\n")], 304),
        "me": repeated(get("/me", bearing(token)) for token in seeds.shown),
        "me_postgres_alone": repeated(get(alone, bearing(token)) for token in seeds.shown),
    }


def _login(email: str) -> bytes:
    return post("/login", {"email": email, "password": PASSWORD, "client": "native"})
