"""The parts of a refresh: what the frames of a stack belong to."""

from collections import Counter
from collections.abc import Mapping

PARTS = (
    ("the signature of the access token", ("RSAAlgorithm.sign", "sign (app/crypto/access_tokens.py")),
    ("the statement: asyncpg, our pool around it and the row", ("app/storage/postgres/",)),
    ("the log line", ("app/logs/", "app/http/front/request_log.py", "structlog/")),
    ("refresh tokens: read, written, their macs", ("app/crypto/refresh_tokens.py",)),
    ("the body: read and checked", ("app/http/bodies.py", "pydantic/")),
    (
        "the answer: its JSON and headers, and the system call that sends it",
        (
            "app/http/answers.py",
            "tokens (app/http/cred",
            "starlette/resp",
            "Outgoing.respond",
            "OneWrite._send",
        ),
    ),
    ("reading the request: uvicorn's and our protocol", ("app/server/protocol.py", "data_received")),
    ("uvloop: system calls and callbacks of sockets", ()),
)
"""What a stack belongs to: the first part with a mark in one of its frames; the last one without any frame of
ours."""
_OURS = "the rest of our code"


def part_of(stack: tuple[str, ...]) -> str:
    """Return the part that a stack belongs to."""
    for part, marks in PARTS:
        if any(mark in frame for mark in marks for frame in stack):
            return part
    return PARTS[-1][0] if "run_asgi" not in ";".join(stack) else _OURS


def shares(stacks: Mapping[tuple[str, ...], int]) -> list[tuple[str, float]]:
    """Return the parts with their shares of all samples, the largest first."""
    found = Counter[str]()
    for stack, number in stacks.items():
        found[part_of(stack)] += number
    total = sum(stacks.values())
    return [(part, number / total) for part, number in found.most_common()]
