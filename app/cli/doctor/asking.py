"""Questions to a running deployment: few, harmless, one after another, and none that waits for long."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import httpx

CONNECT_SECONDS = 5.0
MAX_BODY = 1 << 20
"""Bytes of an answer that are read; none of the service's has so many."""
TOTAL_SECONDS = 15.0


@dataclass(frozen=True, slots=True)
class Silence:
    """Why no answer came."""

    reason: str


@dataclass(frozen=True, slots=True)
class Asker:
    """Asks a deployment, and keeps what it heard, each with its request in words, such as ``GET /livez``."""

    base: str
    client: httpx.AsyncClient
    heard: list[tuple[str, httpx.Response]] = field(default_factory=list)

    async def __call__(
        self,
        asked: str,
        *,
        headers: Mapping[str, str] | None = None,
        content: bytes = b"",
    ) -> httpx.Response | Silence:
        """Ask for a method and a path of the deployment, or for an address of somebody else."""
        method, _, where = asked.partition(" ")
        address = self.base + where if where.startswith("/") else where
        try:
            async with asyncio.timeout(TOTAL_SECONDS):
                answer = await self._answer(method, address, headers, content)
        except TimeoutError:
            return Silence(f"nothing came within {TOTAL_SECONDS:.0f} seconds")
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            return Silence(str(error).rstrip(".") or type(error).__name__)
        self.heard.append((asked, answer))
        return answer

    async def _answer(
        self, method: str, address: str, headers: Mapping[str, str] | None, content: bytes
    ) -> httpx.Response:
        """The answer, and as much of its body as one of the service's may have."""
        body = bytearray()
        async with self.client.stream(method, address, headers=headers, content=content) as answer:
            async for chunk in answer.aiter_raw():
                body += chunk
                if len(body) > MAX_BODY:
                    break
        # What was packed although nobody asked for that stays so, for it may be anything when unpacked.
        kept = [(name, value) for name, value in answer.headers.raw if name.lower() != b"content-encoding"]
        return httpx.Response(
            answer.status_code,
            headers=kept,
            content=bytes(body[:MAX_BODY]),
            request=answer.request,
            extensions=answer.extensions,
        )


@asynccontextmanager
async def opened(base: str, *, insecure: bool) -> AsyncIterator[Asker]:
    """An asker that goes straight to the deployment, and takes any certificate if it is told to."""
    async with httpx.AsyncClient(
        verify=httpx.create_ssl_context(verify=not insecure),
        timeout=httpx.Timeout(TOTAL_SECONDS, connect=CONNECT_SECONDS),
        headers={"User-Agent": "watchword check-config", "Accept-Encoding": "identity"},
        # A proxy on the way out would answer in the deployment's place.
        trust_env=False,
    ) as client:
        yield Asker(base, client)
