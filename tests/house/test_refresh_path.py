"""The path of a refresh through the code: each call goes to the same layer or to a lower one."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, NamedTuple

import httpx2
import pytest

from app.main import create_app
from tests.support.people import Person, login
from tests.support.servers import ISSUER, ROOT

APP = f"{ROOT / 'app'}/"
# Every layer writes lines of the log, through structlog.
LAYERS = ("main.py", "wiring", "http", "services", "storage", "crypto", "domain", "logs")


class Move(NamedTuple):
    """A call from one file of the service to another."""

    caller: str
    called: str

    @property
    def climbs(self) -> bool:
        """Whether it goes to a higher layer; storage and crypto do not know each other."""
        above, below = (LAYERS.index(file.partition("/")[0]) for file in self)
        return below < above or (above, below) == (LAYERS.index("storage"), LAYERS.index("crypto"))


@contextmanager
def traced() -> Iterator[list[Move]]:
    moves: list[Move] = []
    # A coroutine is entered again after each wait. Frames are kept, so none is reused.
    seen: set[FrameType] = set()

    def profile(frame: FrameType, event: str, _: Any) -> None:
        if event != "call" or not frame.f_code.co_filename.startswith(APP) or frame in seen:
            return
        seen.add(frame)
        caller = frame.f_back
        while caller is not None and not caller.f_code.co_filename.startswith(APP):
            caller = caller.f_back
        if caller is not None and caller.f_code.co_filename != frame.f_code.co_filename:
            files = (each.f_code.co_filename.removeprefix(APP) for each in (caller, frame))
            moves.append(Move(*files))

    sys.setprofile(profile)
    try:
        yield moves
    finally:
        sys.setprofile(None)


async def test_a_refresh_never_calls_back_into_a_higher_layer(
    migrated: object, environment: dict[str, str], person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    app = create_app()
    async with (
        app.router.lifespan_context(app),
        httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url=ISSUER) as client,
    ):
        token = (await login(client, person)).json()["refresh_token"]
        with traced() as moves:
            answer = await client.post("/refresh", json={"refresh_token": token})
    assert answer.status_code == 200
    files = {move.called for move in moves}
    assert {"http/sessions.py", "services/owner/refresh.py", "storage/postgres/sessions.py"} <= files
    assert [move for move in moves if move.climbs] == []


@pytest.mark.parametrize(
    ("caller", "called", "climbs"),
    [
        ("services/owner/refresh.py", "domain/sessions.py", False),
        ("services/keys.py", "wiring/core.py", True),
        ("storage/postgres/sessions.py", "crypto/refresh_tokens.py", True),
    ],
)
def test_a_climb_is_noticed(caller: str, called: str, climbs: bool) -> None:
    assert Move(caller, called).climbs is climbs
