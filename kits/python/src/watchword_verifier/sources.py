"""Everything that is fetched in the background for one verifier, and when."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any

from watchword_verifier.claims import Expected
from watchword_verifier.clock import Clock
from watchword_verifier.credentials import ClientCredentials, ClientToken
from watchword_verifier.discovery import Discovery
from watchword_verifier.errors import FetchError
from watchword_verifier.feed import Effects, Feed
from watchword_verifier.fetching import Http
from watchword_verifier.key_source import KeySource
from watchword_verifier.list_source import ListSource
from watchword_verifier.options import Options
from watchword_verifier.revocations import Revocations

LOGGER = logging.getLogger("watchword_verifier")
_HOUSEKEEPING = 60.0
_DISCOVERY = 3600.0


class Sources:
    """Keys, lists and the feed. Made anew in each process; its tasks belong to one event loop."""

    def __init__(self, options: Options, clock: Clock, changed: Callable[[], None]) -> None:
        """``changed`` is called when a token that was valid may no longer be."""
        self._options = options
        self._clock = clock
        self._tasks: set[asyncio.Task[None]] = set()
        self._http = Http(clock, ca_file=options.ca_file, proxy=options.proxy)
        self._discovery = Discovery(options.issuer, self._http, clock, jwks_url=options.jwks_url)
        expected = Expected(options.issuer, options.audience, options.leeway)
        self.keys = KeySource(self._http, self._discovery, clock, changed)
        self.lists = ListSource(self._http, self.keys, expected, clock, changed)
        self.revocations = Revocations(clock, changed)
        self.feed = self._feed(options.client) if options.revocation == "feed" and options.client else None

    def begin(self) -> None:
        """Start all background tasks; call it in the event loop."""
        self._spawn(self.keys.cached.keep_fresh())
        self._spawn(self._keep_house())
        if self._options.revocation != "none":
            self._spawn(self._discover_lists())
        if self.feed is not None:
            self._spawn(self.feed.listen())

    async def end(self) -> None:
        """Stop all background tasks and close all connections."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.lists.close()
        await self.keys.cached.close()
        await self._http.close()

    def _feed(self, client: ClientCredentials) -> Feed:
        issuer = self._options.issuer
        token = ClientToken(client, issuer, self._http, self._discovery, self._clock)
        effects = Effects(self.revocations, self.lists, self.keys.retire)
        return Feed(f"{issuer.removesuffix('/')}/revocations", token, self._http, self._clock, effects)

    def _spawn(self, coroutine: Coroutine[Any, Any, None]) -> None:
        self._tasks.add(asyncio.create_task(coroutine))

    async def _keep_house(self) -> None:
        while True:
            await self._clock.sleep(_HOUSEKEEPING)
            self.lists.drop_unused()
            self.revocations.prune()

    async def _discover_lists(self) -> None:
        """Fetch the lists before the first token names them; tokens are what counts."""
        pause = 1.0
        while True:
            try:
                await self.lists.discover(self._discovery)
                pause = _DISCOVERY
            except FetchError as error:
                LOGGER.debug("the status lists could not be discovered: %s", error)
                pause = min(_HOUSEKEEPING, pause * 2)
            await self._clock.sleep(pause)
