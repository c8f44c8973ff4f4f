"""What the routes may call; the wiring builds it and the application carries it."""

from dataclasses import dataclass
from typing import TypeVar

from starlette.requests import Request

from app.http.origins import Origins
from app.services.health import Readiness
from app.services.keys import KeyRing
from app.services.owner.caller import WhoAmI
from app.services.owner.login import Login
from app.services.owner.logout import Logout, LogoutEverywhere
from app.services.owner.password import ChangePassword
from app.services.owner.refresh import Refresh
from app.services.owner.sessions import OwnSessions

_Cases = TypeVar("_Cases")


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


def cases_of(request: Request, kind: type[_Cases]) -> _Cases:
    """The record of use cases that a feature's routes call."""
    found = request.state.cases[kind]
    assert isinstance(found, kind)  # noqa: S101 - tells mypy what the lifespan put there
    return found
