"""A client for a running deployment: few harmless requests, one after another, each with a time limit."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import httpx2

CONNECT_SECONDS = 5.0
MAX_BODY = 1 << 20
"""Bytes of an answer that are read. Every answer of the service is smaller."""
TOTAL_SECONDS = 15.0


@dataclass(frozen=True, slots=True)
class NoAnswer:
    """Why no answer came."""

    reason: str


Answer: TypeAlias = httpx2.Response | NoAnswer


@dataclass(frozen=True, slots=True)
class DeploymentClient:
    """Sends requests to a deployment, and keeps each response beside its request, such as ``GET /livez``."""

    base: str
    http: httpx2.AsyncClient
    responses: list[tuple[str, httpx2.Response]] = field(default_factory=list)

    async def send(
        self,
        request: str,
        *,
        headers: Mapping[str, str] | None = None,
        content: bytes = b"",
    ) -> Answer:
        """Request a method and a path of the deployment, or a method and a full URL."""
        method, _, target = request.partition(" ")
        url = self.base + target if target.startswith("/") else target
        try:
            async with asyncio.timeout(TOTAL_SECONDS):
                response = await self._receive(method, url, headers, content)
        except TimeoutError:
            return NoAnswer(f"no answer within {TOTAL_SECONDS:.0f} seconds")
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            return NoAnswer(str(error).rstrip(".") or type(error).__name__)
        self.responses.append((request, response))
        return response

    async def _receive(
        self, method: str, url: str, headers: Mapping[str, str] | None, content: bytes
    ) -> httpx2.Response:
        """Return the response with at most MAX_BODY bytes of its body."""
        body = bytearray()
        async with self.http.stream(method, url, headers=headers, content=content) as response:
            async for chunk in response.aiter_raw():
                body += chunk
                if len(body) > MAX_BODY:
                    break
        # No compression was requested. A compressed body stays compressed: its unpacked size has no bound.
        kept = [(name, value) for name, value in response.headers.raw if name.lower() != b"content-encoding"]
        return httpx2.Response(
            response.status_code,
            headers=kept,
            content=bytes(body[:MAX_BODY]),
            request=response.request,
            extensions=response.extensions,
        )


@asynccontextmanager
async def open_client(base: str, *, insecure: bool) -> AsyncIterator[DeploymentClient]:
    """Open a client that connects directly to the deployment. ``insecure`` accepts any certificate."""
    async with httpx2.AsyncClient(
        verify=httpx2.create_ssl_context(verify=not insecure),
        timeout=httpx2.Timeout(TOTAL_SECONDS, connect=CONNECT_SECONDS),
        headers={"User-Agent": "watchword check-config", "Accept-Encoding": "identity"},
        # A forward proxy could answer in place of the deployment.
        trust_env=False,
    ) as http:
        yield DeploymentClient(base, http)


def json_object(answer: Answer) -> dict[str, Any] | None:
    """Return the JSON object of an answer of any status, or None if the body is something else."""
    if isinstance(answer, NoAnswer):
        return None
    try:
        parsed = answer.json()
    except (ValueError, RecursionError):
        return None
    return parsed if isinstance(parsed, dict) else None


def describe(answer: Answer) -> str:
    """Describe an unexpected answer in a few words."""
    if isinstance(answer, NoAnswer):
        return answer.reason
    return f"{answer.status_code}, {answer.headers.get('content-type', 'no content type')}"
