"""What tells of revocations as they happen: the feed for service clients, and WebSockets for the others."""

from functools import partial

from app.features.feed import http
from app.features.feed.http.events import PATH, Events
from app.features.feed.services.listen import Listen
from app.features.feed.services.listeners import Listeners, Room
from app.features.feed.services.poller import Pace, Poller
from app.features.feed.services.watches import Watches
from app.settings import Settings
from app.wiring.core import Core
from app.wiring.feature import Feature

_PACE = Pace()


def feed(core: Core, settings: Settings, pace: Pace = _PACE) -> Feature | None:
    """The feature, or None when ``AUTH_FEED`` and ``AUTH_EVENTS`` are off.

    There is no feed without service clients, who alone may listen to it.
    """
    has_feed = settings.feed and settings.clients
    if not (has_feed or settings.events):
        return None
    store = core.stores.revocations
    poller = Poller(store, pace)
    core.revocations.on_announced.append(poller.wake)
    sockets = {}
    if settings.events:
        sockets[PATH] = partial(Events, core.authenticate, Watches(poller, core.clock))
    if not has_feed:
        return Feature(routes=(), cases=(), sockets=sockets)
    issuer = settings.issuer if settings.status_lists else None
    listeners = Listeners(poller, issuer, core.clock, Room())
    cases = http.FeedCases(Listen(core.authenticate, listeners, store, issuer))
    return Feature(routes=(http.route,), cases=(cases,), sockets=sockets)
