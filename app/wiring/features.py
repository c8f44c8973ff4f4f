"""The features that the settings switch on. Only the server loads them, since their routes need FastAPI."""

from app.settings import Settings
from app.wiring.activity import activity
from app.wiring.clients import clients
from app.wiring.core import Core
from app.wiring.feature import Feature
from app.wiring.feed import feed
from app.wiring.status_lists import status_lists

_FEATURES = (activity, clients, feed, status_lists)


def build_features(core: Core, settings: Settings) -> tuple[Feature, ...]:
    """The features that are on, in the order of the OpenAPI document."""
    return tuple(filter(None, (feature(core, settings) for feature in _FEATURES)))
