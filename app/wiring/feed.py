"""The revocation feed, unless ``AUTH_FEED`` or ``AUTH_CLIENTS`` is off."""

from app.features.feed import http
from app.features.feed.services.listen import Listen
from app.features.feed.services.listeners import Listeners, Room
from app.features.feed.services.poller import Pace, Poller
from app.settings import Settings
from app.wiring.core import Core
from app.wiring.feature import Feature


def feed(core: Core, settings: Settings, pace: Pace = Pace()) -> Feature | None:  # noqa: B008 - it is frozen
    """The feature, or None when it is off, or there are no clients who could listen."""
    if not (settings.feed and settings.clients):
        return None
    store = core.stores.revocations
    poller = Poller(store, pace)
    core.revocations.on_announced.append(poller.wake)
    issuer = settings.issuer if settings.status_lists else None
    listeners = Listeners(poller, issuer, core.clock, Room())
    return Feature(
        routes=(http.route,),
        cases=(http.FeedCases(Listen(core.authenticate, listeners, store, issuer)),),
    )
