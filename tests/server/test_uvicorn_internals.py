"""uvicorn has the shape that ``app.server.protocol`` extends. An upgrade that changes it fails here."""

import asyncio
import inspect
import logging

import pytest
from starlette.types import Receive, Scope, Send
from uvicorn import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.server import Server, ServerState

# The methods that the protocol overrides or calls, with their parameters.
METHODS = {
    "connection_made": ["transport"],
    "connection_lost": ["exc"],
    "data_received": ["data"],
    "on_message_begin": [],
    "on_url": ["url"],
    "on_header": ["name", "value"],
    "on_headers_complete": [],
    "on_body": ["body"],
    "on_message_complete": [],
    "on_response_complete": [],
    "pause_writing": [],
    "resume_writing": [],
    "timeout_keep_alive_handler": [],
    "shutdown": [],
    "_unset_keepalive_if_required": [],
    "_start_asgi_task": ["cycle", "app"],
}
# The attributes of a connection that the protocol reads or writes.
ATTRIBUTES = {
    "access_log",
    "access_logger",
    "app",
    "client",
    "cycle",
    "flow",
    "logger",
    "loop",
    "parser",
    "pipeline",
    "scope",
    "server_state",
    "transport",
}
CYCLE = [
    "scope",
    "transport",
    "flow",
    "logger",
    "access_logger",
    "access_log",
    "default_headers",
    "message_event",
    "expect_100_continue",
    "keep_alive",
    "on_response",
]
STATES = {
    "default_headers",
    "disconnected",
    "flow",
    "keep_alive",
    "message_event",
    "more_body",
    "on_response",
    "response_complete",
    "response_started",
    "scope",
    "transport",
    "waiting_for_100_continue",
}


async def nothing(_: Scope, __: Receive, ___: Send) -> None:
    raise AssertionError("no request is made")


def parameters(function: object) -> list[str]:
    assert callable(function)
    return list(inspect.signature(function).parameters)[1:]


@pytest.mark.parametrize("method", METHODS)
def test_a_method_that_the_protocol_extends_takes_what_it_took(method: str) -> None:
    assert parameters(getattr(HttpToolsProtocol, method)) == METHODS[method]


async def test_a_connection_has_the_attributes_that_the_protocol_uses() -> None:
    config = Config(nothing, log_config=None, lifespan="off")
    connection = HttpToolsProtocol(config, ServerState(), {})
    assert vars(connection).keys() >= ATTRIBUTES
    assert vars(connection)["cycle"] is None
    assert not connection.pipeline
    assert isinstance(connection.server_state.default_headers, list)


async def test_a_request_is_made_and_kept_as_the_protocol_makes_and_keeps_it() -> None:
    assert parameters(RequestResponseCycle.__init__) == CYCLE
    logger = logging.getLogger("tests")
    arguments = dict.fromkeys(CYCLE) | {"message_event": asyncio.Event(), "logger": logger}
    cycle = RequestResponseCycle(**arguments)  # type: ignore[arg-type] # None of them is used.
    assert vars(cycle).keys() >= STATES
    assert (cycle.more_body, cycle.response_started, cycle.response_complete) == (True, False, False)


def test_the_server_has_the_methods_that_a_worker_extends() -> None:
    extended = {name: parameters(getattr(Server, name)) for name in ("capture_signals", "startup", "on_tick")}
    assert extended == {"capture_signals": [], "startup": ["sockets"], "on_tick": ["counter"]}
    assert parameters(ServerState.__init__) == []


async def test_the_server_keeps_its_listeners_and_the_state_of_its_requests_as_a_worker_needs() -> None:
    server = Server(Config(nothing, log_config=None, lifespan="off", port=0))
    own = server.server_state = ServerState()
    server.config.load()
    server.lifespan = server.config.lifespan_class(server.config)
    await server.startup()
    assert [listener.is_serving() for listener in server.servers] == [True]
    assert server.lifespan.state == {}
    assert await server.on_tick(0) is False
    assert own.default_headers
    await server.shutdown()


# What ``app.server.websockets`` overrides or calls, with the parameters.
SOCKET_METHODS = {
    "connection_lost": ["exc"],
    "handle_cont": ["event"],
    "handle_parser_exception": [],
    "keepalive_timeout": [],
    "on_task_complete": ["task"],
    "pause_writing": [],
    "resume_writing": [],
    "shutdown": [],
}


@pytest.mark.parametrize("name", SOCKET_METHODS)
def test_a_websocket_has_the_methods_that_are_extended(name: str) -> None:
    method = inspect.signature(getattr(WebSocketsSansIOProtocol, name))
    assert list(method.parameters)[1:] == SOCKET_METHODS[name]


async def test_a_websocket_has_the_attributes_that_are_read() -> None:
    state = ServerState()
    config = Config(nothing, log_config=None)
    config.load()
    socket = WebSocketsSansIOProtocol(config=config, server_state=state, app_state={})
    assert socket.connections is state.connections
    assert {"conn", "frames", "loop", "logger", "read_paused", "transport"} <= vars(socket).keys()
