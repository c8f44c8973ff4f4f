"""What the routes may call; the wiring builds it and the application carries it."""

from dataclasses import dataclass

from starlette.requests import Request

from app.http.origins import Origins
from app.services.accounts import WhoAmI
from app.services.health import Readiness
from app.services.keys import KeyRing
from app.services.login import Login
from app.services.logout import Logout, LogoutEverywhere
from app.services.own_sessions import OwnSessions
from app.services.passwords import ChangePassword
from app.services.sessions import Refresh


@dataclass(frozen=True, slots=True)
class UseCases:
    """One attribute a use case."""

    login: Login
    refresh: Refresh
    logout: Logout
    logout_everywhere: LogoutEverywhere
    change_password: ChangePassword
    own_sessions: OwnSessions
    who_am_i: WhoAmI
    keys: KeyRing
    readiness: Readiness
    origins: Origins


def use_cases(request: Request) -> UseCases:
    """The use cases of the running application."""
    found = request.state.use_cases
    assert isinstance(found, UseCases)  # noqa: S101 - tells mypy what the lifespan put there
    return found
