"""``Poller``: looks for new revocations on behalf of all who wait for them in this process."""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from contextvars import Context
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import structlog

from app.domain.refusals import Refused, Unavailable
from app.domain.revocations import Revocation
from app.services.outages import log_outage
from app.storage.postgres.revocations import RevocationStore

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds between looks: ``every`` in general, and ``least`` after an announcement in this process."""

    every: float = 0.25
    least: float = 0.02


class News(NamedTuple):
    """Revocations; with the last ones of a look comes its position, from which the next one begins.

    After a ``reset`` it is unknown what was revoked before the position.
    """

    revoked: Mapping[str, Revocation]
    position: str | None = None
    is_reset: bool = False


class Audience(Protocol):
    """All who wait for revocations in one way."""

    @property
    def is_empty(self) -> bool:
        """Whether none waits."""

    async def tell(self, news: News) -> None:
        """Pass on revocations."""

    def passes(self, position: str) -> None:
        """Called after each look, with the position up to which everything was told."""

    def end(self) -> None:
        """Send all away; they come again."""


class Poller:
    """Looks at Postgres while an audience waits, and tells each audience what is new.

    The store finds late commits by itself, and no open transaction delays it.
    """

    def __init__(self, store: RevocationStore, pace: Pace) -> None:
        self.audiences: list[Audience] = []
        self._store = store
        self._pace = pace
        self._looking = asyncio.Lock()
        self._wake = asyncio.Event()
        self._position = ""
        self._task: asyncio.Task[None] | None = None

    @property
    def is_running(self) -> bool:
        """Whether it looks."""
        return self._task is not None

    def wake(self) -> None:
        """Look at once."""
        self._wake.set()

    async def admit(self, enter: Callable[[str], None]) -> None:
        """Call ``enter`` with the position after which its audience is told everything.

        Raises ``unavailable`` when Postgres does not answer and no one listens yet.
        """
        async with self._looking:
            if self._task is None:
                self._position = (await self._store.changes(None)).position
                # The log lines of the request that came first are not those of the poller.
                self._task = asyncio.create_task(self._run(), context=Context())
            enter(self._position)

    async def _run(self) -> None:
        try:
            while True:
                await asyncio.sleep(self._pace.least)
                with suppress(TimeoutError):
                    async with asyncio.timeout(self._pace.every):
                        await self._wake.wait()
                self._wake.clear()
                async with self._looking:
                    if all(audience.is_empty for audience in self.audiences):
                        return
                    await self._look()
        except Exception:  # noqa: BLE001 - no listener may wait for a poller that has ended
            _log.exception("feed.failed")
            for audience in self.audiences:
                audience.end()
        finally:
            self._task = None

    async def _look(self) -> None:
        try:
            found = await self._store.changes(self._position)
            if found.is_whole:
                await self._tell(News({}, found.position, is_reset=True))
            elif found.position != self._position:
                waiting: Mapping[str, Revocation] = {}
                async for batch in found.batches:
                    if batch and waiting:
                        await self._tell(News(waiting))
                    waiting = batch or waiting
                if waiting:
                    await self._tell(News(waiting, found.position))
            self._position = found.position
        except Refused as refused:
            # The next look begins where this one did.
            if isinstance(refused, Unavailable):
                log_outage(refused)
        for audience in self.audiences:
            audience.passes(self._position)

    async def _tell(self, news: News) -> None:
        for audience in self.audiences:
            await audience.tell(news)
