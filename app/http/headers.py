"""The headers of a request."""

from collections.abc import Sequence


class Headers:
    """The headers of a request, indexed once: a route asks for about ten of them.

    Names are in any case, and values are read as ISO 8859-1 (RFC 9110 section 5.5).
    """

    __slots__ = ("_first", "_raw")

    def __init__(self, raw: Sequence[tuple[bytes, bytes]]) -> None:
        """``raw`` has names in lower case, as every ASGI server gives them."""
        self._raw = raw
        # Of a repeated header, the first line stays.
        self._first = dict(reversed(raw))

    def __contains__(self, name: str) -> bool:
        return name.lower().encode() in self._first

    def get(self, name: str, default: str = "") -> str:
        """The value of the first header of this name."""
        value = self._first.get(name.lower().encode())
        return default if value is None else value.decode("latin-1")

    def getlist(self, name: str) -> list[str]:
        """The values of all headers of this name, in their order."""
        wanted = name.lower().encode()
        if wanted not in self._first:
            return []
        if len(self._first) == len(self._raw):
            return [self._first[wanted].decode("latin-1")]
        return [value.decode("latin-1") for found, value in self._raw if found == wanted]
