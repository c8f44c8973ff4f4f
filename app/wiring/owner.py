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
    accounts, sessions, events = core.stores.accounts, core.stores.sessions, core.stores.events
    hasher, policy = core.resources.hasher, settings.session_policy()
    find_session = FindSession(sessions, core.crypto.refresh_tokens)
    return UseCases(
        login=Login(accounts, hasher, core.throttle, core.open_session, events),
        refresh=Refresh(
            accounts,
            sessions,
            core.crypto.refresh_tokens,
            core.minter,
            core.revocations,
            core.refresh_throttle,
            policy,
        ),
        logout=Logout(sessions, find_session, core.authenticate, core.revocations),
        logout_everywhere=LogoutEverywhere(accounts, find_session, core.who_am_i, core.revocations, policy),
        change_password=ChangePassword(
            accounts,
            hasher,
            core.who_am_i,
            core.throttle,
            core.open_session,
            core.revocations,
            core.new_passwords,
            events,
        ),
        own_sessions=OwnSessions(sessions, core.who_am_i, core.revocations, policy),
        who_am_i=core.who_am_i,
        keys=core.keys,
        readiness=Readiness(core.resources.database, core.keys, core.resources.index),
        origins=Origins(settings.issuer, settings.allowed_origins),
    )
