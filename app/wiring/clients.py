"""Service clients, unless ``AUTH_CLIENTS`` is off."""

from app.features.clients import http
from app.features.clients.services.authenticate import AuthenticateClient, ClientThrottle
from app.features.clients.services.introspect import ActiveTokens, Introspect
from app.features.clients.services.issue import IssueToken
from app.features.clients.services.revoke import RevokeToken
from app.features.clients.storage.tokens import TokenRevocations, UsedAssertions
from app.services.owner.find_session import FindSession
from app.settings import Settings
from app.wiring.core import Core
from app.wiring.feature import Feature
from app.wiring.manage_clients import client_store


def clients(core: Core, settings: Settings) -> Feature | None:
    """The feature, or None when it is off."""
    if not settings.clients:
        return None
    database, policy = core.resources.database, core.authenticate.policy
    authenticate_client = AuthenticateClient(
        client_store(core),
        UsedAssertions(database),
        ClientThrottle(core.resources.counters, core.stores.events, settings.throttling_policy()),
        policy,
        core.clock,
    )
    find = FindSession(core.stores.sessions, core.crypto.refresh_tokens)
    active = ActiveTokens(core.authenticate, core.stores.accounts, find, settings.session_policy())
    cases = http.ClientCases(
        IssueToken(authenticate_client, core.minter),
        Introspect(authenticate_client, core.authenticate, active),
        RevokeToken(
            authenticate_client,
            core.authenticate,
            find,
            core.end_sessions,
            TokenRevocations(database, policy.revocation_ttl),
        ),
    )
    return Feature(routes=(http.route,), cases=(cases,), metadata=http.metadata(settings.issuer))
