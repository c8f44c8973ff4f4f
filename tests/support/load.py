"""A steady load on a service whose servers fail. It notes what must never happen.

- After a revocation was answered, no route accepts a token of that session.
- A valid token is refused only where the present fault excuses it, and never with 401.
- A refresh token has one successor.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import chain

from tests.support.connections import Answer, Connection
from tests.support.people import PASSWORD, Person
from tests.support.servers import Service
from tests.support.waiting import until

# For a service under load: a signature of it costs a tenth of RSA's.
CHEAP_SIGNATURES = {"AUTH_SIGNING_ALGORITHM": "ES256"}
PAUSE = 0.05  # Seconds between a person's requests: the load needs variety, not speed.
BROKEN = (OSError, EOFError)
"""What is raised when a connection cannot be made, or ends before its answer."""


@dataclass
class Session:
    """A native client's."""

    refresh_token: str
    access_tokens: list[str]


@dataclass
class Book:
    """What the load knows and saw."""

    revoked: list[str] = field(default_factory=list)
    successors: dict[str, str] = field(default_factory=dict)
    wrongs: list[str] = field(default_factory=list)
    excused: bool = False
    """Whether the fault of this moment excuses an outage."""
    counts: dict[str, int] = field(default_factory=dict)
    outages: int = 0

    async def goes_on(self, requests: int = 30) -> None:
        """Return when so many more requests came to an end, whether they succeeded or not."""
        enough = self._ended() + requests

        async def is_enough() -> bool:
            return self._ended() >= enough

        await until(is_enough)

    def _ended(self) -> int:
        return sum(self.counts.values()) + self.outages

    def done(self, what: str) -> None:
        self.counts[what] = self.counts.get(what, 0) + 1

    def outage(self, what: str, was_excused: bool) -> None:
        self.outages += 1
        if not (was_excused or self.excused):
            self.wrongs.append(f"{what} met an outage that nothing excuses")


class Line:
    """One person's way to a service: a connection, and another one when that has ended."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._connection: Connection | None = None

    async def opened(self) -> Connection:
        if self._connection is None or self._connection.has_ended:
            await self.close()
            self._connection = await Connection.to(self._service.port)
        return self._connection

    async def close(self) -> None:
        if self._connection is not None:
            await self._connection.close()


Ask = Callable[[Connection], Awaitable[Answer]]


class Load:
    """Some people who use several replicas at once."""

    def __init__(self, services: Sequence[Service], people: Sequence[Person]) -> None:
        self._services = services
        self._people = people
        self._stopping = False
        self.book = Book()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Book]:
        """Run from when everybody is signed in; raise at the end what went wrong."""
        ways = [[Line(service) for service in self._services] for _ in self._people]
        tasks = [
            asyncio.create_task(self._live(lines, person, await self._sign_in(lines[0], person)))
            for lines, person in zip(ways, self._people, strict=True)
        ]
        tasks.append(asyncio.create_task(self._watch_key_set()))
        try:
            yield self.book
            # Once the fault is over, everything succeeds again.
            await until(self._more_of_everything(3))
        finally:
            self._stopping = True
            await asyncio.gather(*tasks)
            for line in chain.from_iterable(ways):
                await line.close()
        assert not self.book.wrongs, "\n".join(self.book.wrongs)

    def _more_of_everything(self, number: int) -> Callable[[], Awaitable[bool]]:
        before = dict(self.book.counts)

        async def is_done() -> bool:
            return all(self.book.counts[what] >= count + number for what, count in before.items())

        return is_done

    async def _sign_in(self, line: Line, person: Person) -> Session | None:
        """Try until it succeeds; None when the load stops before."""
        body = {"email": person.email, "password": PASSWORD, "client": "native"}
        while not self._stopping:
            answer = await self._ask("login", line, lambda to: to.post("/login", body))
            if answer is not None:
                return Session(answer["refresh_token"], [answer["access_token"]])
            await asyncio.sleep(PAUSE)
        return None

    async def _live(self, lines: list[Line], person: Person, session: Session | None) -> None:
        choices = random.Random(person.email)
        while session and not self._stopping:
            line = choices.choice(lines)
            match choices.choices(("me", "refused", "refresh", "logout"), (45, 25, 20, 10))[0]:
                case "me":
                    token = choices.choice(session.access_tokens)
                    await self._ask("me", line, partial(Connection.me, access_token=token))
                case "refused":
                    for token in self.book.revoked and [choices.choice(self.book.revoked)]:
                        await self._refused(line, token)
                case "refresh":
                    await self._refresh(line, session)
                case _:
                    if await self._log_out(line, session):
                        # At once, and at the other replicas too.
                        for other in lines:
                            await self._refused(other, session.access_tokens[-1])
                    session = await self._sign_in(line, person)
            await asyncio.sleep(PAUSE)

    async def _refused(self, line: Line, token: str) -> None:
        was_excused = self.book.excused
        try:
            answer = await (await line.opened()).me(token)
        except BROKEN:
            self.book.outage("a revoked token", was_excused)
            return
        if answer.status == 200:
            self.book.wrongs.append("a revoked token was accepted")
        elif answer.status == 503:
            self.book.outage("a revoked token", was_excused)
        elif answer.status != 401:
            self.book.wrongs.append(f"a revoked token met {answer.status}")
        self.book.done("refused")

    async def _refresh(self, line: Line, session: Session) -> None:
        presented = session.refresh_token
        answer = await self._ask("refresh", line, partial(Connection.refresh, token=presented))
        if answer is None:
            return
        if self.book.successors.setdefault(presented, answer["refresh_token"]) != answer["refresh_token"]:
            self.book.wrongs.append("a refresh token has two successors")
        session.refresh_token = answer["refresh_token"]
        session.access_tokens.append(answer["access_token"])

    async def _log_out(self, line: Line, session: Session) -> bool:
        """Try until it succeeds; False when the load stops before."""
        while not self._stopping:
            ask = partial(Connection.log_out, token=session.refresh_token)
            if await self._ask("logout", line, ask) is not None:
                self.book.revoked += session.access_tokens
                return True
            await asyncio.sleep(PAUSE)
        return False

    async def _watch_key_set(self) -> None:
        lines = [Line(service) for service in self._services]
        while not self._stopping:
            for line in lines:
                await self._ask("key set", line, Connection.key_set)
            await asyncio.sleep(PAUSE)
        for line in lines:
            await line.close()

    async def _ask(self, what: str, line: Line, ask: Ask) -> dict[str, str] | None:
        """The answer to what must succeed, or None where an outage came between."""
        was_excused = self.book.excused
        try:
            answer = await ask(await line.opened())
        except BROKEN:
            self.book.outage(what, was_excused)
            return None
        if answer.status == 503 and what != "key set":
            self.book.outage(what, was_excused)
            return None
        if answer.status not in {200, 204}:
            self.book.wrongs.append(f"{what} met {answer.status}: {answer.body}")
            return None
        self.book.done(what)
        return answer.body
