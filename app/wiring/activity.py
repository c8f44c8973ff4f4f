"""Recent activity, unless ``AUTH_ACTIVITY`` is off."""

from app.features.activity import http
from app.features.activity.crypto import EventIds
from app.features.activity.services import Activity
from app.features.activity.storage import OwnEventStore
from app.settings import Settings
from app.wiring.core import Core
from app.wiring.feature import Feature


def activity(core: Core, settings: Settings) -> Feature | None:
    """The feature, or None when it is off."""
    if not settings.activity:
        return None
    case = Activity(core.who_am_i, OwnEventStore(core.resources.database), EventIds(core.crypto.secrets))
    return Feature(routes=(http.route,), cases=(http.ActivityCases(case),))
