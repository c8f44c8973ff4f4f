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

import httpx2

from tests.support.people import Person, login, me, refresh
from tests.support.servers import Service
from tests.support.waiting import client_of, until

PAUSE = 0.03  # Seconds between a person's requests: the load needs variety, not speed.


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

    async def goes_on(self, requests: int = 40) -> None:
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
        clients = [client_of(service) for service in self._services]
        tasks = [
            asyncio.create_task(self._live(clients, person, await self._sign_in(clients[0], person)))
            for person in self._people
        ]
        tasks.append(asyncio.create_task(self._watch_key_set(clients)))
        try:
            yield self.book
            # Once the fault is over, everything succeeds again.
            await until(self._more_of_everything(3))
        finally:
            self._stopping = True
            await asyncio.gather(*tasks)
            for client in clients:
                await client.aclose()
        assert not self.book.wrongs, "\n".join(self.book.wrongs)

    def _more_of_everything(self, number: int) -> Callable[[], Awaitable[bool]]:
        before = dict(self.book.counts)

        async def is_done() -> bool:
            return all(self.book.counts[what] >= count + number for what, count in before.items())

        return is_done

    async def _sign_in(self, client: httpx2.AsyncClient, person: Person) -> Session | None:
        """Try until it succeeds; None when the load stops before."""
        while not self._stopping:
            answer = await self._ask("login", partial(login, client, person))
            if answer is not None:
                return Session(answer["refresh_token"], [answer["access_token"]])
            await asyncio.sleep(PAUSE)
        return None

    async def _live(self, clients: list[httpx2.AsyncClient], person: Person, session: Session | None) -> None:
        choices = random.Random(person.email)
        while session and not self._stopping:
            client = choices.choice(clients)
            match choices.choices(("me", "refused", "refresh", "logout"), (45, 25, 20, 10))[0]:
                case "me":
                    token = choices.choice(session.access_tokens)
                    await self._ask("me", partial(me, client, token))
                case "refused":
                    for token in self.book.revoked and [choices.choice(self.book.revoked)]:
                        await self._refused(client, token)
                case "refresh":
                    await self._refresh(client, session)
                case _:
                    if await self._log_out(client, session):
                        # At once, and at the other replicas too.
                        for other in clients:
                            await self._refused(other, session.access_tokens[-1])
                    session = await self._sign_in(client, person)
            await asyncio.sleep(PAUSE)

    async def _refused(self, client: httpx2.AsyncClient, token: str) -> None:
        was_excused = self.book.excused
        try:
            answer = await me(client, token)
        except httpx2.TransportError:
            self.book.outage("a revoked token", was_excused)
            return
        if answer.status_code == 200:
            self.book.wrongs.append("a revoked token was accepted")
        elif answer.status_code == 503:
            self.book.outage("a revoked token", was_excused)
        elif answer.status_code != 401:
            self.book.wrongs.append(f"a revoked token met {answer.status_code}")
        self.book.done("refused")

    async def _refresh(self, client: httpx2.AsyncClient, session: Session) -> None:
        presented = session.refresh_token
        answer = await self._ask("refresh", partial(refresh, client, presented))
        if answer is None:
            return
        if self.book.successors.setdefault(presented, answer["refresh_token"]) != answer["refresh_token"]:
            self.book.wrongs.append("a refresh token has two successors")
        session.refresh_token = answer["refresh_token"]
        session.access_tokens.append(answer["access_token"])

    async def _log_out(self, client: httpx2.AsyncClient, session: Session) -> bool:
        """Try until it succeeds; False when the load stops before."""
        body = {"refresh_token": session.refresh_token}
        while not self._stopping:
            if await self._ask("logout", partial(client.post, "/logout", json=body)) is not None:
                self.book.revoked += session.access_tokens
                return True
            await asyncio.sleep(PAUSE)
        return False

    async def _watch_key_set(self, clients: list[httpx2.AsyncClient]) -> None:
        while not self._stopping:
            for client in clients:
                await self._ask("key set", partial(client.get, "/.well-known/jwks.json"))
            await asyncio.sleep(PAUSE)

    async def _ask(self, what: str, send: Callable[[], Awaitable[httpx2.Response]]) -> dict[str, str] | None:
        """The answer to what must succeed, or None where an outage came between."""
        was_excused = self.book.excused
        try:
            answer = await send()
        except httpx2.TransportError:
            self.book.outage(what, was_excused)
            return None
        if answer.status_code == 503 and what != "key set":
            self.book.outage(what, was_excused)
            return None
        if answer.status_code not in {200, 204}:
            self.book.wrongs.append(f"{what} met {answer.status_code}: {answer.text}")
            return None
        self.book.done(what)
        return answer.json() if answer.content else {}
