"""What the operator's commands do with service clients. They load no routes, and so no web framework."""

from secrets import token_bytes

from app.features.clients.services.manage import ManageClients
from app.features.clients.storage.clients import ClientStore
from app.wiring.core import Core


def manage_clients(core: Core) -> ManageClients:
    """What an operator may do, also while the feature is off."""
    return ManageClients(client_store(core), core.revocations, token_bytes)


def client_store(core: Core) -> ClientStore:
    """The store of service clients."""
    return ClientStore(core.resources.database, core.authenticate.policy.revocation_ttl)
