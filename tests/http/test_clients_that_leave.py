"""A client that gives up in the middle of a request is no error of the service."""

import json
import socket
import struct

import httpx2
import pytest

from tests.support.people import PASSWORD, Person, marker
from tests.support.servers import Service
from tests.support.waiting import until

JSON = "Host: localhost\r\nContent-Type: application/json\r\n"


def leave(port: int, *pieces: str) -> None:
    """Send the pieces of a request, and reset the connection."""
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        for piece in pieces:
            client.sendall(piece.encode())


@pytest.mark.parametrize("path", ["/login", "/refresh", "/logout"])
async def test_a_reset_at_any_point_of_a_request_is_logged_without_a_stack(
    client: httpx2.AsyncClient, service: Service, person: Person, path: str
) -> None:
    body = json.dumps({"email": person.email, "password": PASSWORD})
    head = f"POST {path} HTTP/1.1\r\n{JSON}"
    length, seen = f"Content-Length: {len(body)}\r\n\r\n", len(service.logs())
    for pieces in (
        (),
        (head,),
        (f"{head}{length}",),
        (f"{head}{length}", body[:10]),
        (f"{head}{length}{body}",),
        (f"{head}Expect: 100-continue\r\n{length}",),
        (f"{head}Transfer-Encoding: chunked\r\n\r\n5\r\n{{",),
        ("GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n" * 10,),
    ):
        leave(service.port, *pieces)
    last = marker()
    await client.get("/.well-known/jwks.json", headers={"X-Request-ID": last})
    lines: list[dict[str, object]] = []

    async def is_over() -> bool:
        text = service.logs()[seen:]
        lines[:] = [json.loads(line) for line in text.splitlines() if line.endswith("}")]
        return last in text and any(line.get("status") == 499 for line in lines)

    await until(is_over)
    assert {line["level"] for line in lines} == {"info"}, lines
    assert not any("exception" in line for line in lines)
