"""Sessions end in one place, which announces the ids of every session that a store ended."""

import ast
from collections.abc import AsyncIterator, Iterable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from app.domain.events import Actor, Event, EventKind
from app.domain.refusals import Refusal, Refused
from app.domain.revocations import FIRST, Ended, Rest
from app.domain.sessions import ReuseRevokes, SessionPolicy
from app.services.end_sessions import EndSessions
from app.services.revocations import Revocations
from app.storage.postgres.sessions import SessionStore
from app.wiring import Service
from tests.support.database import Sql
from tests.support.people import Person, new_person
from tests.support.races import CHEAP_HASH, sign_in
from tests.support.servers import ROOT

ONLY_PLACE = ROOT / "app/services/end_sessions.py"
ENDING = {
    "end",
    "end_next",
    "end_sessions",
    "disable",
    "delete",
    "set_password",
    "set_roles",
    "change_password",
}


def reads_ids(source: str) -> list[int]:
    """The lines that read the ids of an ``Ended``."""
    return [
        node.lineno
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Attribute)
        and node.attr in {"unannounced", "rest"}
        and isinstance(node.ctx, ast.Load)
    ]


def test_only_end_sessions_reads_the_ids_of_ended_sessions() -> None:
    readers = {path for path in (ROOT / "app").rglob("*.py") if reads_ids(path.read_text())}
    assert readers == {ONLY_PLACE, ROOT / "app/domain/revocations.py"}


def test_the_check_notices_a_reader() -> None:
    assert reads_ids("ended = await store.end(1)\nprint(ended.unannounced)") == [2]


def forgetful(source: str) -> list[str]:
    """The functions that end sessions by a store and do not announce them."""
    functions = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.AsyncFunctionDef)]
    return [
        function.name
        for function in functions
        if any(store.endswith(("accounts", "sessions")) and name in ENDING for store, name in calls(function))
        and not any(name == "announce" for _, name in calls(function))
    ]


def calls(function: ast.AsyncFunctionDef) -> list[tuple[str, str]]:
    """The methods that a function calls, each with the attribute on which it is called."""
    methods = [node.func for node in ast.walk(function) if isinstance(node, ast.Call)]
    return [
        (method.value.attr, method.attr)
        for method in methods
        if isinstance(method, ast.Attribute) and isinstance(method.value, ast.Attribute)
    ]


def test_every_use_case_that_ends_sessions_by_a_store_announces_them() -> None:
    use_cases = [*(ROOT / "app/services").rglob("*.py"), *(ROOT / "app/features").rglob("services.py")]
    found = {path: names for path in use_cases if (names := forgetful(path.read_text()))}
    assert found.keys() == {ONLY_PLACE}


def test_a_forgotten_announcement_is_noticed() -> None:
    ending = (
        "async def disable(self, id, event):\n    return (await self.accounts.disable(id, event)).sessions\n"
    )
    announced = "async def disable(self, id, event):\n    await self.end_sessions.announce({})\n"
    assert forgetful(ending) == ["disable"]
    assert forgetful(announced.format("await self.accounts.disable(id, event)")) == []


@pytest.mark.parametrize("store", ["accounts", "sessions"])
def test_every_store_method_that_ends_sessions_returns_ended(store: str) -> None:
    tree = ast.parse(Path(ROOT / f"app/storage/postgres/{store}.py").read_text())
    answers = {
        node.name: ast.unparse(node.returns)
        for node in ast.walk(tree)
        if isinstance(node, ast.AsyncFunctionDef) and node.name in ENDING and node.returns is not None
    }
    assert answers
    assert {name for name, answer in answers.items() if "Ended" not in answer} == set()


def test_ended_counts_sessions_and_not_tokens() -> None:
    assert Ended.of(["a-session"], ["a-token", "another"]).sessions == 1
    assert Ended().sessions == 0


EVENT = Event(EventKind.SESSION_ENDED, Actor.OPERATOR)
POLICY = SessionPolicy(
    timedelta(days=30), timedelta(days=7), timedelta(seconds=10), ReuseRevokes.SESSION, 100
)


class Announcements(Revocations):
    """Records what is announced, and whether Postgres had committed it by then."""

    def __init__(self, service: Service) -> None:
        super().__init__(service.revocations.store, service.revocations.index, timedelta(minutes=16))
        self.ids: list[str] = []
        self.are_committed = True

    async def announce(self, ids: Iterable[str], last: timedelta | None = None) -> bool:
        for entry in (announced := list(ids)):
            self.are_committed = self.are_committed and await self.store.find([entry])
        self.ids += announced
        return await super().announce(announced, last)


@pytest.fixture
def announcements(parts: Service) -> Announcements:
    return Announcements(parts)


@pytest.fixture
async def ending(parts: Service, announcements: Announcements) -> AsyncIterator[EndSessions]:
    """``EndSessions`` whose announcements are recorded; all of them must be committed."""
    yield replace(parts.core.end_sessions, revocations=announcements)
    assert announcements.are_committed


async def open_sessions(parts: Service, sql: Sql, number: int) -> tuple[Person, list[UUID]]:
    """A new person with this many sessions, and the ids of the sessions."""
    person = await new_person(sql, password_hash=CHEAP_HASH)
    for _ in range(number):
        await sign_in(parts, person)
    rows = await sql.fetch("SELECT id FROM sessions WHERE account_id = $1", person.id)
    return person, [UUID(str(row["id"])) for row in rows]


async def living(sql: Sql, person: Person) -> int:
    query = "SELECT count(*) FROM sessions WHERE account_id = $1 AND revoked_at IS NULL"
    return int(await sql.fetchval(query, person.id))


async def test_ending_one_session_announces_it_once(
    parts: Service, sql: Sql, ending: EndSessions, announcements: Announcements
) -> None:
    person, (session_id, _) = await open_sessions(parts, sql, 2)
    assert [await ending.one(session_id, EVENT, owner=person.id) for _ in range(2)] == [1, 0]
    assert announcements.ids == [str(session_id)]
    assert await living(sql, person) == 1


async def test_a_session_of_another_owner_is_neither_ended_nor_announced(
    parts: Service, sql: Sql, ending: EndSessions, announcements: Announcements
) -> None:
    person, (session_id,) = await open_sessions(parts, sql, 1)
    assert await ending.one(session_id, EVENT, owner=uuid4()) == 0
    assert (announcements.ids, await living(sql, person)) == ([], 1)


async def test_a_logout_announces_the_session_and_its_tokens_even_if_the_session_had_ended(
    parts: Service, sql: Sql, ending: EndSessions, announcements: Announcements
) -> None:
    _, (session_id,) = await open_sessions(parts, sql, 1)
    token_id = uuid4().hex
    assert await ending.of_holder(session_id, EVENT, [token_id]) == 1
    assert announcements.ids == [str(session_id), token_id]
    assert await ending.of_holder(session_id, EVENT) == 0
    assert announcements.ids == [str(session_id), token_id, str(session_id)]


async def test_ending_the_sessions_of_an_account_announces_all_of_them(
    parts: Service, sql: Sql, ending: EndSessions, announcements: Announcements
) -> None:
    person, session_ids = await open_sessions(parts, sql, 3)
    assert await ending.of_account(person.id, EVENT) == 3
    assert sorted(announcements.ids) == sorted(map(str, session_ids))
    assert await ending.of_account(person.id, EVENT) == 0
    assert len(announcements.ids) == 3


async def test_the_sessions_of_an_account_do_not_end_when_the_named_one_is_not_alive(
    parts: Service, sql: Sql, ending: EndSessions, announcements: Announcements
) -> None:
    person, (ended, other) = await open_sessions(parts, sql, 2)
    await ending.one(ended, EVENT)
    announcements.ids.clear()
    assert await ending.of_account(person.id, EVENT, if_lives=ended) == 0
    assert (announcements.ids, await living(sql, person)) == ([], 1)
    assert await ending.of_account(person.id, EVENT, if_lives=other) == 1
    assert announcements.ids == [str(other)]


class Batches(SessionStore):
    """Living sessions in memory, which end in batches of two; one batch fails."""

    def __init__(self, parts: Service, number: int, *, failing: int) -> None:
        super().__init__(parts.database, POLICY, timedelta(minutes=16))
        self.remaining = [UUID(int=each) for each in range(1, number + 1)]
        self.calls, self.failing = 0, failing

    async def end_next(self, rest: Rest) -> Ended:
        self.calls += 1
        if self.calls == self.failing:
            raise Refused(Refusal.UNAVAILABLE)
        batch = [session_id for session_id in self.remaining if session_id > rest.after[1]][:2]
        self.remaining = [session_id for session_id in self.remaining if session_id not in batch]
        return Ended.of(batch, rest=replace(rest, after=(FIRST[0], batch[-1])) if len(batch) == 2 else None)


async def test_ending_all_sessions_announces_each_batch_and_can_be_called_again_after_an_interruption(
    parts: Service, announcements: Announcements
) -> None:
    sessions = Batches(parts, 5, failing=2)
    ending = replace(parts.core.end_sessions, sessions=sessions, revocations=announcements)
    with pytest.raises(Refused):
        await ending.all(EVENT)
    assert announcements.ids == [str(UUID(int=1)), str(UUID(int=2))]
    assert await ending.all(EVENT) == 3
    assert announcements.ids == [str(UUID(int=each)) for each in range(1, 6)]
    assert await ending.all(EVENT) == 0


async def test_ended_sessions_and_tokens_are_announced_together_and_only_sessions_are_counted(
    parts: Service, announcements: Announcements
) -> None:
    ending = replace(parts.core.end_sessions, revocations=announcements)
    assert await ending.announce(Ended.of(["a-session"], ["a-token"])) == 1
    assert announcements.ids == ["a-session", "a-token"]
    assert await ending.announce(Ended()) == 0
