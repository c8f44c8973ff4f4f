"""An unexpected error gets one answer, whether one had begun or not."""

import pytest
import structlog
from starlette.requests import ClientDisconnect
from starlette.types import Message, Receive, Scope, Send

from tests.support.fronts import front

SCOPE = {"type": "http", "method": "GET", "path": "/", "headers": []}
BEGIN: Message = {"type": "http.response.start", "status": 200, "headers": []}


async def sent_by(*messages: Message, error: Exception) -> list[Message]:
    """What reaches the server of an application that sends these messages and fails."""
    sent: list[Message] = []

    async def failing(scope: Scope, receive: Receive, send: Send) -> None:
        for message in messages:
            await send(message)
        raise error

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        sent.append(message)

    await front(failing)({**SCOPE}, receive, send)
    return sent


@pytest.mark.requirement("E1")
async def test_a_failure_is_answered_and_one_behind_an_answer_adds_nothing_to_it() -> None:
    start, body = await sent_by(error=LookupError("a secret"))
    assert start["status"] == 500
    assert b"a secret" not in body["body"]
    (begun,) = await sent_by({**BEGIN}, error=LookupError())
    assert (begun["type"], begun["status"]) == (BEGIN["type"], BEGIN["status"])


async def test_a_client_that_went_away_is_logged_and_not_answered() -> None:
    with structlog.testing.capture_logs() as lines:
        assert await sent_by(error=ClientDisconnect()) == []
    assert [(line["event"], line["status"]) for line in lines] == [("http.request", 499)]
