"""Requests that put secrets where they do not belong, and control characters into every field."""

import asyncio
from typing import Any

import httpx

from tests.browsers import bearing, with_cookie
from tests.leaks import Trail

FORGED = "forged-line"
HOSTILE = f"\r\n{FORGED}\x00\x1b[2J"


async def send_secrets_astray(trail: Trail, client: httpx.AsyncClient, email: str) -> None:
    """Secrets where they do not belong, and requests that are refused half-way."""
    secret, token, access = trail.password(), trail.refresh_tokens[0], trail.access_tokens[0]
    guess = {"json": {"email": email, "password": secret, "client": "native"}}
    requests: list[dict[str, Any]] = [
        {"url": "/login", "data": {"email": email, "password": secret}},
        {"url": "/login", "json": {"email": email, "password": [secret], "client": "native"}},
        {"url": "/login", "json": {"email": email, secret: secret, "client": "native"}},
        {
            "url": "/login",
            "content": f'{{"password": "{secret}',
            "headers": {"Content-Type": "application/json"},
        },
        {"url": "/login", "json": {"email": secret, "password": secret, "client": "native"}},
        {
            "url": "/login",
            "json": {"email": HOSTILE + email, "password": HOSTILE + secret, "client": "native"},
        },
        {"url": "/login", "params": {"password": secret}, "json": {"password": secret * 500}},
        {"url": f"/{token}/{access}/{secret}", "json": {}},
        {"url": "/refresh", "json": {"refresh_token": f"{token}x"}},
        {"url": "/refresh", "json": {"refresh_token": access}},
        {"url": "/refresh", "headers": with_cookie(token, token)},
        {"url": "/logout", "headers": bearing(token)},
        {"url": "/me", "headers": {"X-Request-ID": token}},
        {"url": "/login", "headers": {"X-Forwarded-For": token, "User-Agent": f"{email} {secret}"}} | guess,
        {"url": f"/me?%0d%0a{FORGED}", "headers": {"X-Request-ID": f"%0d%0a{FORGED}"}},
        {"url": f"/%0d%0a{FORGED}%00%1b[2J", "headers": {"User-Agent": f"\x85{FORGED}".encode()}},
    ]
    for request in requests:
        trail.took(await client.post(**request))


async def break_lines(port: int, email: str) -> None:
    """What no proper client sends: control characters in each place of a request."""
    login = b'{"email": "%b", "password": "wrong", "client": "native"}' % email.encode()
    places = [
        *(b"GET /%b HTTP/1.1\r\n", b"GET /livez?%b HTTP/1.1\r\n", b"%b / HTTP/1.1\r\n"),
        *(
            b"POST /login HTTP/1.1\r\n" + header + b": %b\r\n"
            for header in (b"User-Agent", b"X-Request-ID", b"X-Forwarded-For", b"Cookie", b"Authorization")
        ),
    ]
    for place in places:
        for control in (b"\n", b"\r", b"\r\n\t", b"\x1b[2J", b"\x00", b"\x85"):
            head = place % (b"x" + control + FORGED.encode()) + b"Host: x\r\nConnection: close\r\n"
            if place.startswith(b"POST"):
                head += b"Content-Type: application/json\r\nContent-Length: %d\r\n" % len(login)
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(head + b"\r\n" + login * place.startswith(b"POST"))
            assert (await asyncio.wait_for(reader.read(), 10)).startswith(b"HTTP/1.1 ")
            writer.close()
