"""Status lists, unless ``AUTH_STATUS_LISTS`` is off."""

from app.features.status_lists import http
from app.features.status_lists.services import StatusLists
from app.features.status_lists.storage import SessionNumbers
from app.settings import Settings
from app.wiring.core import Core
from app.wiring.feature import Feature


def status_lists(core: Core, settings: Settings) -> Feature | None:
    """The feature, or None when it is off."""
    if not settings.status_lists:
        return None
    numbers = SessionNumbers(core.resources.database)
    lists = StatusLists(core.stores.revocations, numbers, core.keys, settings.issuer, core.clock)
    cases = http.StatusListCases(lists, settings.issuer)
    return Feature(routes=(http.route,), cases=(cases,), metadata=http.metadata(settings.issuer))
