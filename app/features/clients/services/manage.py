"""Service clients, as an operator manages them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from uuid import UUID, uuid4

from app.domain.events import Event, EventKind, by_operator
from app.domain.refusals import Refusal, Refused
from app.features.clients import crypto
from app.features.clients.domain import MAX_SCOPES_SIZE, Client, is_name, is_scope, size_of
from app.features.clients.storage.clients import ClientStore
from app.services.revocations import Revocations


@dataclass(frozen=True, slots=True)
class NewCredentials:
    """A client that got credentials; ``secret`` is shown this once, and None for a client with keys."""

    id: UUID
    name: str
    secret: str | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class ManageClients:
    """An operator's changes to service clients; ``random`` returns so many random bytes."""

    clients: ClientStore
    revocations: Revocations
    random: Callable[[int], bytes]

    async def create(self, name: str, scopes: Sequence[str], jwks: str | None = None) -> NewCredentials:
        """Add a client with a secret, or with the public keys of this JWK Set.

        Refuses a name that is in use or has another form, and wrong scopes or keys.
        """
        if not is_name(name):
            raise Refused(Refusal.CLIENT_NAME_INVALID, name=name)
        granted = _checked_scopes(scopes)
        keys = () if jwks is None else _checked_keys(jwks)
        client_id = uuid4()
        secret = None if keys else crypto.new_secret(client_id, self.random(crypto.RANDOM_LENGTH))
        event = _event(EventKind.CLIENT_CREATED, client_id, name).with_details(
            scopes=" ".join(granted), credential="keys" if keys else "secret"
        )
        stored = None if secret is None else crypto.digest(secret)
        if not await self.clients.add(client_id, name, granted, (stored, keys), event):
            raise Refused(Refusal.CLIENT_NAME_TAKEN, name=name)
        return NewCredentials(client_id, name, secret)

    async def all(self) -> list[Client]:
        """Every client, by name."""
        return await self.clients.all()

    async def find(self, name: str) -> Client:
        """The client that is called so, or has this id; or ``client_unknown``."""
        client = await self.clients.by_name(name)
        if client is None:
            raise Refused(Refusal.CLIENT_UNKNOWN, name=name)
        return client

    async def rotate(self, name: str, jwks: str | None = None, *, at_once: bool) -> NewCredentials:
        """Give a client a new secret, or register the public keys of this JWK Set in place of the former.

        The newest secret before stays valid until the next rotation, unless the change is ``at_once``.
        """
        client = await self.find(name)
        event = _event(EventKind.CLIENT_ROTATED, client.id, client.name).with_details(
            credential="secret" if jwks is None else "keys", former="refused" if at_once else "valid"
        )
        if jwks is None:
            secret = crypto.new_secret(client.id, self.random(crypto.RANDOM_LENGTH))
            changed = await self.clients.rotate_secret(
                client.id, crypto.digest(secret), event, keep=not at_once
            )
        else:
            secret = None
            changed = await self.clients.rotate_keys(client.id, _checked_keys(jwks), event, keep=not at_once)
        _require(name, changed=changed)
        return NewCredentials(client.id, client.name, secret)

    async def set_scopes(self, name: str, scopes: Sequence[str]) -> None:
        """Replace the scopes; tokens that were issued keep theirs until they expire."""
        client, granted = await self.find(name), _checked_scopes(scopes)
        event = _event(EventKind.CLIENT_SCOPES_CHANGED, client.id, client.name)
        event = event.with_details(scopes=" ".join(granted))
        _require(name, changed=await self.clients.set_scopes(client.id, granted, event))

    async def delete(self, name: str) -> None:
        """Delete a client; from now on this service accepts none of its tokens."""
        client = await self.find(name)
        event = _event(EventKind.CLIENT_DELETED, client.id, client.name)
        _require(name, changed=await self.clients.delete(client.id, event))
        await self.revocations.announce([str(client.id)])


def _event(kind: EventKind, client_id: UUID, name: str) -> Event:
    return by_operator(kind, client_id=str(client_id), name=name)


def _require(name: str, *, changed: bool) -> None:
    """Another operator may have deleted the client meanwhile."""
    if not changed:
        raise Refused(Refusal.CLIENT_UNKNOWN, name=name)


def _checked_scopes(scopes: Sequence[str]) -> list[str]:
    granted = sorted(set(scopes))
    for scope in granted:
        if not is_scope(scope):
            raise Refused(Refusal.SCOPE_INVALID, scope=scope)
    if (size := size_of(granted)) > MAX_SCOPES_SIZE:
        raise Refused(Refusal.SCOPES_TOO_LONG, size=size, room=MAX_SCOPES_SIZE)
    return granted


def _checked_keys(jwks: str) -> tuple[dict[str, str], ...]:
    try:
        return crypto.public_keys(jwks)
    except ValueError as error:
        raise Refused(Refusal.CLIENT_KEYS_INVALID, reason=str(error)) from None
