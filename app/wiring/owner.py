"""The use cases that the routes call, built from the core's parts."""

from app.http.origins import Origins
from app.http.use_cases import UseCases
from app.services.health import Readiness
from app.services.owner.login import Login
from app.services.owner.logout import FindSession, Logout, LogoutEverywhere
from app.services.owner.password import ChangePassword
from app.services.owner.refresh import Refresh
from app.services.owner.sessions import OwnSessions
from app.settings import Settings
from app.wiring.core import Core


def use_cases(core: Core, settings: Settings) -> UseCases:
    """One use case an attribute, as the routes want them."""
    accounts, sessions = core.stores.accounts, core.stores.sessions
    tokens, policy = core.crypto.refresh_tokens, settings.session_policy()
    find_session = FindSession(sessions, tokens)
    return UseCases(
        login=Login(accounts, core.guesses, core.open_session),
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
        keys=core.keys,
        readiness=Readiness(core.resources.database, core.keys, core.resources.index),
        origins=Origins(settings.issuer, settings.allowed_origins),
    )
