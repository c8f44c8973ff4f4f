"""Server-sent events, parsed from pieces of any size (HTML Standard, section 9.2.6)."""

from collections.abc import Iterator
from dataclasses import dataclass

from watchword_verifier.errors import FetchError

MAX_EVENT = 64 * 1024
"""Bytes of an event, or of a line that has not ended."""


@dataclass(frozen=True, slots=True)
class Event:
    """One event."""

    name: str
    data: str


class EventParser:
    """The state between pieces."""

    def __init__(self) -> None:
        self.last_id = ""
        """The id to resume after: of the last event that was complete."""
        self.retry: float | None = None
        """Seconds to wait before a new connection, as the server asks."""
        self._rest = b""
        self._id = ""
        self._name = ""
        self._data: list[str] = []
        self._size = 0

    def feed(self, piece: bytes) -> Iterator[Event]:
        """The events that this piece completes.

        Raises:
            FetchError: A line or an event is too long, or not UTF-8.
        """
        # CR LF, LF and CR end a line. A CR at the end of a piece may be half of a CR LF, and waits.
        text = self._rest + piece
        held = text.endswith(b"\r")
        lines = text.removesuffix(b"\r").replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
        self._rest = lines.pop() + (b"\r" if held else b"")
        if len(self._rest) > MAX_EVENT:
            raise FetchError("a line of the feed is too long")
        for line in lines:
            if (event := self._line(line)) is not None:
                yield event

    def _line(self, raw: bytes) -> Event | None:
        if not raw:
            return self._end()
        self._size += len(raw)
        if self._size > MAX_EVENT:
            raise FetchError("an event of the feed is too long")
        try:
            name, _, value = raw.decode().partition(":")
        except UnicodeDecodeError:
            raise FetchError("the feed is not UTF-8") from None
        value = value.removeprefix(" ")
        if name == "data":
            self._data.append(value)
        elif name == "event":
            self._name = value
        elif name == "id" and "\0" not in value:
            self._id = value
        elif name == "retry" and value.isascii() and value.isdigit() and len(value) <= len("3600000"):
            self.retry = int(value) / 1000
        return None

    def _end(self) -> Event | None:
        name, data = self._name or "message", self._data
        self._name, self._data, self._size = "", [], 0
        self.last_id = self._id
        return Event(name, "\n".join(data)) if data else None
