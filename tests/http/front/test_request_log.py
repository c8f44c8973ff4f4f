"""The line of a request: which requests have one, and which ids every line of a request carries."""

import pytest
import structlog
from starlette.types import Message, Receive, Scope, Send

from app.http.front.request_log import RequestLog
from app.http.health import PROBES
from tests.support.fronts import front

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


class Route:
    def __init__(self, path: str) -> None:
        self.path = path


async def logged(
    path: str = "/login",
    *,
    status: int = 200,
    headers: tuple[tuple[str, str], ...] = (),
    quiet: frozenset[str] = PROBES,
) -> list[dict[str, object]]:
    """What is logged while this request is answered, with one line of the application's own."""

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        scope["route"] = Route(path)
        structlog.get_logger().info("inside")
        await send({"type": "http.response.start", "status": status, "headers": []})

    async def receive() -> Message:
        raise AssertionError("nothing is read")

    async def send(message: Message) -> None:
        assert message["status"] == status

    encoded = [(name.encode(), value.encode()) for name, value in headers]
    scope = {"type": "http", "method": "GET", "path": path, "headers": encoded}
    merged = [structlog.contextvars.merge_contextvars]
    with structlog.testing.capture_logs(processors=merged) as lines:
        await front(application, RequestLog(quiet))(scope, receive, send)
    return [dict(line) for line in lines]


@pytest.mark.parametrize("path", ["/livez", "/readyz"])
async def test_a_successful_probe_is_not_logged_unless_it_was_asked_for(path: str) -> None:
    assert [line["event"] for line in await logged(path)] == ["inside"]
    assert [line["event"] for line in await logged(path, quiet=frozenset())] == ["inside", "http.request"]


async def test_a_failed_probe_is_logged_and_so_is_every_other_request() -> None:
    assert (await logged("/readyz", status=503))[-1]["status"] == 503
    assert (await logged("/login"))[-1]["route"] == "/login"


@pytest.mark.parametrize(
    "traceparent",
    [
        f"00-{TRACE}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-ff",
        f"01-{TRACE}-{SPAN}-00",
        f"cc-{TRACE}-{SPAN}-00-what-a-later-version-adds",
    ],
)
async def test_every_line_of_a_request_has_the_ids_of_its_trace(traceparent: str) -> None:
    lines = await logged(headers=(("traceparent", traceparent),))
    assert [line["event"] for line in lines] == ["inside", "http.request"]
    assert {(line["trace_id"], line["span_id"]) for line in lines} == {(TRACE, SPAN)}
    assert len({line["request_id"] for line in lines}) == 1
    assert not any("trace_id" in line for line in await logged())


@pytest.mark.parametrize(
    "traceparents",
    [
        ("",),
        ("00",),
        (f"ff-{TRACE}-{SPAN}-01",),
        (f"00-{TRACE}-{SPAN}-01-more",),
        (f"00-{TRACE}-{SPAN}",),
        (f"00-{TRACE.upper()}-{SPAN}-01",),
        (f"00-{'0' * 32}-{SPAN}-01",),
        (f"00-{TRACE}-{'0' * 16}-01",),
        (f"00-{TRACE}-{SPAN}-01\n",),
        (f" 00-{TRACE}-{SPAN}-01",),
        (f"cc-{TRACE}-{SPAN}-00more",),
        ("00-" + "a" * 8000,),
        (f"00-{TRACE}-{SPAN}-01", f"00-{TRACE}-{SPAN}-01"),
    ],
)
async def test_a_malformed_traceparent_is_ignored(traceparents: tuple[str, ...]) -> None:
    lines = await logged(headers=tuple(("traceparent", value) for value in traceparents))
    assert [line["event"] for line in lines] == ["inside", "http.request"]
    assert not any({"trace_id", "span_id"} & line.keys() for line in lines)


async def test_a_pipelined_request_is_not_in_the_trace_of_the_one_before_it() -> None:
    """The server begins it while the one before it still holds its context."""
    with structlog.contextvars.bound_contextvars(request_id="before", trace_id=TRACE, span_id=SPAN):
        lines = await logged(headers=(("x-request-id", "own"),))
    assert [line["request_id"] for line in lines] == ["own", "own"]
    assert not any({"trace_id", "span_id"} & line.keys() for line in lines)
