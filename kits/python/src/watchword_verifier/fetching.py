"""HTTP to the issuer: bounded in size and time, never redirected, over https or to this machine."""

import re
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import NamedTuple

import httpx2

from watchword_verifier.clock import Clock
from watchword_verifier.errors import FetchError
from watchword_verifier.urls import origin_of

DEADLINE = 5.0
"""Seconds from the connection to the last byte of an answer."""
_MAX_AGE = re.compile(r"(?:^|[,\s])max-age=(\d{1,9})(?=$|[,\s])", re.IGNORECASE)
_NO_CACHE = re.compile(r"(?:^|[,\s])no-(?:cache|store)(?=$|[,\s])", re.IGNORECASE)


class Answer(NamedTuple):
    """An answer of the issuer that is of use."""

    body: bytes | None
    """None when the document has not changed."""
    etag: str | None
    max_age: int | None
    """Seconds for which caches may keep it; None when it says nothing."""


@dataclass(frozen=True, slots=True)
class Document:
    """What is asked for, and how much of it is read."""

    url: str
    accept: str
    max_bytes: int
    exact_type: bool = False
    """Whether ``Content-Type`` must be ``accept``."""


class Http:
    """The HTTP client of one event loop. Made lazily, because loading certificates takes time."""

    def __init__(self, clock: Clock, *, ca_file: str | None = None, proxy: str | None = None) -> None:
        self._clock = clock
        self._ca_file = ca_file
        self._proxy = proxy
        self._clients: dict[bool, httpx2.AsyncClient] = {}

    async def get(self, document: Document, *, etag: str | None = None) -> Answer:
        """The document, or that it has not changed since ``etag``.

        Raises:
            FetchError: No answer in time, or one that is not 200, too large, encoded or of another type.
        """
        headers = {"Accept": document.accept} | ({"If-None-Match": etag} if etag else {})
        async with self._answered("GET", document.url, headers) as response:
            max_age = _max_age(response.headers.get("cache-control", ""))
            if response.status_code == httpx2.codes.NOT_MODIFIED and etag:
                return Answer(None, etag, max_age)
            _require_ok(response)
            if document.exact_type and _media_type(response) != document.accept:
                raise FetchError("the answer has another content type")
            body = await _read(response, document.max_bytes)
            return Answer(body, response.headers.get("etag"), max_age)

    async def post_form(
        self, url: str, form: Mapping[str, str], headers: Mapping[str, str], *, max_bytes: int
    ) -> bytes:
        """The body of the answer to a form.

        Raises:
            FetchError: As for ``get``.
        """
        async with self._answered("POST", url, headers, form) as response:
            _require_ok(response)
            return await _read(response, max_bytes)

    @asynccontextmanager
    async def stream(
        self, url: str, headers: Mapping[str, str], *, silence: float
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        """The pieces of an answer that has no end; ``silence`` is how many seconds it may say nothing.

        Raises:
            FetchError: No answer in time, one that is not 200 or no event stream, or silence.
        """
        try:
            async with self._clock.timeout(DEADLINE):
                response = await self._send("GET", url, headers)
        except (httpx2.HTTPError, httpx2.InvalidURL, TimeoutError) as error:
            raise _failed(error) from None
        try:
            _require_ok(response)
            if _media_type(response) != "text/event-stream":
                raise FetchError("the answer is not an event stream")
            yield self._pieces(response, silence)
        finally:
            await response.aclose()

    async def close(self) -> None:
        """Close all connections."""
        for client in self._clients.values():
            await client.aclose()
        self._clients.clear()

    @asynccontextmanager
    async def _answered(
        self, method: str, url: str, headers: Mapping[str, str], form: Mapping[str, str] | None = None
    ) -> AsyncIterator[httpx2.Response]:
        try:
            async with self._clock.timeout(DEADLINE):
                response = await self._send(method, url, headers, form)
                try:
                    yield response
                finally:
                    await response.aclose()
        except (httpx2.HTTPError, httpx2.InvalidURL, httpx2.StreamError, TimeoutError) as error:
            raise _failed(error) from None

    async def _send(
        self, method: str, url: str, headers: Mapping[str, str], form: Mapping[str, str] | None = None
    ) -> httpx2.Response:
        scheme, _, _ = origin_of(url)
        client = self._client(encrypted=scheme == "https")
        # A compressed answer could grow without bound, and the list inside is compressed already.
        request = client.build_request(
            method, url, headers={**headers, "Accept-Encoding": "identity"}, data=form
        )
        return await client.send(request, stream=True)

    def _client(self, *, encrypted: bool) -> httpx2.AsyncClient:
        if encrypted not in self._clients:
            # The clock limits the time as a whole, and the environment names no proxy by accident.
            self._clients[encrypted] = httpx2.AsyncClient(
                verify=self._certificates() if encrypted else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT),
                proxy=self._proxy if encrypted else None,
                trust_env=False,
                follow_redirects=False,
                timeout=None,
                headers={"User-Agent": "watchword-verifier"},
            )
        return self._clients[encrypted]

    def _certificates(self) -> ssl.SSLContext:
        """Of the named authorities, or else of those that the system trusts."""
        if self._ca_file is not None:
            return ssl.create_default_context(cafile=self._ca_file)
        return httpx2.create_ssl_context()

    async def _pieces(self, response: httpx2.Response, silence: float) -> AsyncIterator[bytes]:
        pieces = response.aiter_raw()
        while True:
            try:
                async with self._clock.timeout(silence):
                    piece = await anext(pieces)
            except StopAsyncIteration:
                return
            except (httpx2.HTTPError, httpx2.StreamError, TimeoutError) as error:
                raise _failed(error) from None
            yield piece


async def _read(response: httpx2.Response, max_bytes: int) -> bytes:
    if response.headers.get("content-encoding", "identity").lower() != "identity":
        raise FetchError("the answer is encoded, which was not asked for")
    body = bytearray()
    async for piece in response.aiter_raw():
        body += piece
        if len(body) > max_bytes:
            raise FetchError(f"the answer has more than {max_bytes} bytes")
    return bytes(body)


def _require_ok(response: httpx2.Response) -> None:
    if response.status_code != httpx2.codes.OK:
        raise FetchError(f"the answer has status {response.status_code}", response.status_code)


def _media_type(response: httpx2.Response) -> str:
    content_type: str = response.headers.get("content-type", "")
    return content_type.partition(";")[0].strip().lower()


def _max_age(cache_control: str) -> int | None:
    """Seconds that the answer is fresh for (RFC 9111 section 5.2.2)."""
    if _NO_CACHE.search(cache_control):
        return 0
    found = _MAX_AGE.search(cache_control)
    return int(found[1]) if found else None


def _failed(error: Exception) -> FetchError:
    # The text of an error may hold parts of the answer; its class says enough.
    message = "there was no answer in time" if isinstance(error, TimeoutError) else type(error).__name__
    return FetchError(message, is_answered=False)
