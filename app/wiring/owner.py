"""The use cases that the routes call, built from the core's parts."""

from dataclasses import dataclass

from app.logs import is_log_failing
from app.services.access_tokens import Authenticate
from app.services.health import Readiness
from app.services.keys import KeyRing
from app.services.owner.caller import WhoAmI
from app.services.owner.find_session import FindSession
from app.services.owner.login import Login
from app.services.owner.logout import Logout, LogoutEverywhere
from app.services.owner.password import ChangePassword
from app.services.owner.refresh import Refresh
from app.services.owner.sessions import OwnSessions
from app.settings import Settings
from app.wiring.core import Core


@dataclass(frozen=True, slots=True)
class UseCases:
    """The use cases of the core, one attribute each."""

    login: Login
    refresh: Refresh
    logout: Logout
    logout_everywhere: LogoutEverywhere
    change_password: ChangePassword
    own_sessions: OwnSessions
    who_am_i: WhoAmI
    authenticate: Authenticate
    keys: KeyRing
    readiness: Readiness


def use_cases(core: Core, settings: Settings) -> UseCases:
    """The use cases, put together."""
    accounts, sessions = core.stores.accounts, core.stores.sessions
    tokens, policy = core.crypto.refresh_tokens, settings.session_policy()
    find_session = FindSession(sessions, tokens)
    return UseCases(
        login=Login(accounts, core.guesses, find_session, core.open_session, core.decoys),
        refresh=Refresh(sessions, tokens, core.minter, core.end_sessions, core.refresh_throttle, policy),
        logout=Logout(find_session, core.authenticate, core.end_sessions),
        logout_everywhere=LogoutEverywhere(find_session, core.who_am_i, core.end_sessions, policy),
        change_password=ChangePassword(
            accounts,
            core.who_am_i,
            core.password_rules,
            core.guesses,
            core.end_sessions,
            core.open_session,
        ),
        own_sessions=OwnSessions(sessions, core.who_am_i, core.end_sessions),
        who_am_i=core.who_am_i,
        authenticate=core.authenticate,
        keys=core.keys,
        readiness=Readiness(
            core.resources.database,
            core.keys,
            core.resources.index,
            is_log_failing,
            core.clock,
            settings.leeway,
        ),
    )
