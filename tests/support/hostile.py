"""Strings that something somewhere chokes on."""

import asyncio
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import httpx2

from tests.support.leaks import Trail
from tests.support.people import bearing, with_cookie
from tests.support.processes import PATIENCE

# ruff: noqa: RUF001 - letters that look like others are what some of them are about


_EMPTY = ["", " ", "\t", "\r\n", "\u00a0", "\u3000", "null", "None", "undefined", "true", "NaN", "-Infinity"]
_NUMBERS = [
    "0",
    "-0",
    "1e999",
    "0x7fffffffffffffff",
    "-9223372036854775809",
    "18446744073709551616",
    "9" * 400,
    "1." + "0" * 400 + "1",
    "٣",
    "１２３",
    "½",
    "1_000",
    "1,000.00",
]
_CONTROLS = [
    "\x00",
    "a\x00b",
    "".join(map(chr, range(1, 32))),
    "\x7f\x80\x85\x9f",
    "\x1b[2J\x1b]0;title\x07",
    "\b\b\b\b",
    "a\r\nSet-Cookie: session=forged",
    "a\nforged line",
    '"}\n{"event":"login.succeeded"}',
    "%0d%0aX-Forged:%201",
    "\u2028\u2029",
    "\ufeff",
    "\ufffe\uffff",
]
_UNICODE = [
    "é",
    "e\u0301",
    "ﬀ",
    "İi̇ıI",
    "ẞß",
    "Σσς",
    "ℌ𝔢𝔩𝔩𝔬",
    "ⅷ",
    "\u212a\u212b",
    "漢字かなカナ한글",
    "ไทยภาษา",
    "नमस्ते",
    "𐍈𝄞𠜎",
    "\U0010ffff",
    "\ue000\U000f0000",
    "\ufdfa" * 20,
    "Z" + "\u0301\u0327\u0489" * 60,
    "\u0600\u06dd",
    "\u202eevil\u202c",
    "\u2066\u2067\u2068\u2069",
    "אבגabcابت",
    "\u200b\u200c\u200d\u2060",
    "\u180e",
    "\u034f" * 40,
    "👩‍👩‍👧‍👦",
    "🏳️‍🌈",
    "👍🏿",
    "🇦🇫🇦",
    "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",
    "\U000e0001\U000e0041",
    "a\u0338" * 60,
    "xn--80ak6aa92e.com",
    "аррӏе.com",
    "user@exämple.de",
    "ä" * 255,
    "😀" * 300,
]
_SURROGATES = ["\ud800", "\udfff", "\ud83d", "\udc00\ud800", "a\ud800b@example.com", "\udcff"]
_SQL = [
    "'",
    "' OR '1'='1",
    "'; DROP TABLE accounts; --",
    '"; SELECT pg_sleep(10); --',
    "1' UNION SELECT password_hash FROM accounts --",
    "\\'; --",
    "$1",
    "$$; SELECT 1; $$",
    ":email",
    "%(email)s",
    "%s%s%s%n",
    "admin'/*",
    "%' ESCAPE '\\",
    "\\x00",
]
_INJECTIONS = [
    "; sleep 10",
    "$(sleep 10)",
    "`id`",
    "| cat /etc/passwd",
    "&& shutdown -h now",
    "{{7*7}}",
    "${7*7}",
    "#{7*7}",
    "<%= 7*7 %>",
    "${jndi:ldap://localhost/a}",
    "{0.__class__.__mro__}",
    "%(asctime)s%(levelname)s",
    "%x%x%x%x%n%n%n",
    "{}{}{}",
    "*)(uid=*))(|(uid=*",
    "*",
    "cn=admin,dc=example",
    "//*[@id]",
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "javascript:alert(1)",
    '<?xml version="1.0"?><!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><x>&e;</x>',
    "=HYPERLINK(1)",
    "FLUSHALL\r\nQUIT\r\n",
    "*1\r\n$8\r\nFLUSHALL\r\n",
    "{watchword}:blacklist",
    '{"$ne": null}',
    "[object Object]",
    "__proto__",
    "constructor",
    "__class__",
    "self",
    "model_config",
    "a[]=1&a[]=2",
]
_PATHS = [
    "../../../../etc/passwd",
    "..\\..\\windows\\win.ini",
    "%2e%2e%2f%2e%2e%2fetc/passwd",
    "%252e%252e%252f",
    "%c0%ae%c0%ae/",
    "%ed%a0%80",
    "%00",
    "%",
    "%zz",
    "file:///etc/passwd",
    "//evil.example.net/",
    "http://[::1]:22/",
    "CON",
    "NUL.txt",
    "COM1",
    "/dev/random",
    "~root",
    ".",
    "..",
    "?",
    "#",
    ";",
    "\\",
]
_TOKENS = [
    "wwr_",
    "wwr_" + "A" * 76,
    "wwr_" + "_" * 76,
    "wwr_" + "é" * 76,
    "WWR_" + "A" * 76,
    "wwr_" + "A" * 75 + "=",
    "a.b.c",
    "..",
    "....",
    "eyJhbGciOiJub25lIn0.e30.",
    "eyJhbGciOiJIUzI1NiJ9.e30." + "A" * 43,
    "W10.W10.W10",
    "bnVsbA.bnVsbA.bnVsbA",
    "A" * 4096 + ".A.A",
    "Bearer Bearer",
    "00000000-0000-0000-0000-000000000000",
    "{00000000-0000-0000-0000-000000000000}",
    "urn:uuid:ffffffff-ffff-ffff-ffff-ffffffffffff",
]
_ADDRESSES = [
    "a@b",
    "@",
    "a@@b",
    "a@b@c",
    '"a b"@example.com',
    "a@[127.0.0.1]",
    "a+b@example.com ",
    "x" * 64 + "@" + "y" * 189,
    "x" * 255 + "@example.com",
    "127.0.0.1",
    "::1",
    "fe80::1%eth0",
    "999.999.999.999",
    "1.2.3.4, 5.6.7.8",
    "[::1]:8080",
    "for=unknown;by=_x",
    "localhost\x00.example.com",
]

STRINGS = [
    *_EMPTY,
    *_NUMBERS,
    *_CONTROLS,
    *_UNICODE,
    *_SURROGATES,
    *_SQL,
    *_INJECTIONS,
    *_PATHS,
    *_TOKENS,
    *_ADDRESSES,
    "x" * 1024,
    "x" * 1025,
    "x" * 7000,
]


def raw(text: str) -> bytes:
    """As bytes, lone surrogates and all."""
    return text.encode("utf-8", "surrogatepass")


def forms(text: str) -> Iterator[bytes]:
    """A piece of a path: escaped as it should be, and as it is if no proper client could send it."""
    yield quote(raw(text), safe="").encode()
    yield raw(text)


FORGED = "forged-line"
HOSTILE = f"\r\n{FORGED}\x00\x1b[2J"


async def send_secrets_astray(trail: Trail, client: httpx2.AsyncClient, email: str) -> None:
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
            assert (await asyncio.wait_for(reader.read(), PATIENCE)).startswith(b"HTTP/1.1 ")
            writer.close()
