"""User agents are put into words beside the event loop, so that no account's sessions delay others."""

import asyncio
import threading

import pytest
import ua_parser

from app.http.visitors import each_in_words

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
PATIENCE = 60.0


async def test_the_loop_runs_while_a_user_agent_is_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    began, released = asyncio.Event(), threading.Event()
    loop = asyncio.get_running_loop()

    def parse(_: str) -> None:
        loop.call_soon_threadsafe(began.set)
        assert released.wait(PATIENCE), "the loop has to run to release it"

    monkeypatch.setattr(ua_parser, "parse_user_agent", parse)
    words = asyncio.create_task(each_in_words([FIREFOX]))
    await began.wait()
    released.set()
    assert await words == {FIREFOX: "Linux"}


async def test_an_account_with_many_user_agents_lets_others_in_between(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    parsed: list[str] = []
    monkeypatch.setattr(ua_parser, "parse_user_agent", parsed.append)
    await asyncio.gather(
        each_in_words(f"odd/{number}" for number in range(100)), each_in_words([FIREFOX, None, FIREFOX])
    )
    assert parsed.index(FIREFOX) == 1
    assert len(parsed) == 101, "equal ones are parsed once"
