"""``AuthenticateClient``: finds out which service client sent a request (RFC 6749 section 2.3)."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from uuid import UUID

from app.crypto.access_tokens import Jws
from app.domain.access_tokens import TokenPolicy, canonical_uuid
from app.domain.clock import Clock
from app.domain.events import EventKind, Reason
from app.domain.throttling import Budget, ThrottlingPolicy, TooManyRequests, networks_of
from app.domain.visitors import Visitor
from app.features.clients import crypto
from app.features.clients.domain import (
    Assertion,
    Client,
    OAuthErrorCode,
    OAuthRefused,
    claimed_client,
    failed,
    parse_assertion,
)
from app.features.clients.storage.clients import ClientStore
from app.features.clients.storage.tokens import UsedAssertions
from app.storage.postgres.events import EventStore
from app.storage.redis.throttling import FailureCounters

USE_IS_NOTED_EVERY = timedelta(minutes=1)
"""How often the use of a secret is written down, so that most requests write nothing."""


@dataclass(frozen=True, slots=True)
class SecretCredentials:
    """The id and the secret of a client, as ``client_secret_basic`` carries them."""

    client_id: str
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class JwtCredentials:
    """The assertion of a client, as ``private_key_jwt`` carries it; ``client_id`` if the request has one."""

    assertion: str = field(repr=False)
    client_id: str | None


Credentials = SecretCredentials | JwtCredentials


@dataclass(frozen=True, slots=True)
class ClientThrottle:
    """Limits the failures of clients, for each client, for each network and in all.

    Right credentials are never counted, delayed or refused: 256 random bits cannot be guessed, and services
    often share one address. So neither a stranger nor a neighbour can lock a client out.
    """

    counters: FailureCounters
    events: EventStore
    policy: ThrottlingPolicy

    async def failed(self, client: UUID | None, visitor: Visitor) -> None:
        """Count a failure; raises TooManyRequests when a budget is used up, and records it if it is news."""
        networks = [
            network.budget("client-address", self.policy.address) for network in networks_of(visitor.address)
        ]
        own = [] if client is None else [Budget("client", str(client), self.policy.account)]
        everyone = Budget("client-everyone", "", self.policy.everyone)
        try:
            await self.counters.charge([*own, *networks, everyone])
        except TooManyRequests as refused:
            if refused.is_news:
                event = failed(visitor, EventKind.CLIENT_THROTTLED, client)
                await self.events.add(event.with_details(budget=refused.budget.name))
            raise


@dataclass(frozen=True, slots=True)
class AuthenticateClient:
    """Finds the client whose credentials a request has."""

    clients: ClientStore
    assertions: UsedAssertions
    throttle: ClientThrottle
    policy: TokenPolicy
    clock: Clock

    async def __call__(self, credentials: Credentials, visitor: Visitor) -> Client:
        """The client; raises OAuthRefused with ``invalid_client``, or TooManyRequests after many failures.

        Why credentials are refused is in the event and in no answer.
        """
        if isinstance(credentials, SecretCredentials):
            return await self._by_secret(credentials, visitor)
        return await self._by_assertion(credentials, visitor)

    async def _by_secret(self, credentials: SecretCredentials, visitor: Visitor) -> Client:
        named, owner = canonical_uuid(credentials.client_id), crypto.secret_owner(credentials.secret)
        client = None if named is None else await self.clients.by_id(named)
        if client is None:
            raise await self._refusal(named, Reason.UNKNOWN_CLIENT, visitor)
        place = crypto.has_secret([secret.digest for secret in client.secrets], credentials.secret)
        if place is None or owner != named:
            raise await self._refusal(named, Reason.WRONG_SECRET, visitor)
        secret, now = client.secrets[place], self.clock()
        if secret.used_at is None or secret.used_at < now - USE_IS_NOTED_EVERY:
            await self.clients.note_use(client.id, secret.digest)
        return client

    async def _by_assertion(self, credentials: JwtCredentials, visitor: Visitor) -> Client:
        jws = crypto.parse_client_jwt(credentials.assertion)
        named = None if jws is None else claimed_client(jws.claims())
        client = None if named is None else await self.clients.by_id(named)
        if jws is None or client is None:
            reason = Reason.INVALID_ASSERTION if named is None else Reason.UNKNOWN_CLIENT
            raise await self._refusal(named, reason, visitor)
        assertion = self._verified(jws, client)
        # RFC 7521 section 4.2: a `client_id` beside the assertion names the same client.
        if assertion is None or credentials.client_id not in {None, str(client.id)}:
            raise await self._refusal(named, Reason.INVALID_ASSERTION, visitor)
        if not await self.assertions.use(_name(assertion), self._kept_until(assertion)):
            raise await self._refusal(named, Reason.USED_ASSERTION, visitor)
        return client

    def _verified(self, jws: Jws, client: Client) -> Assertion | None:
        payload = crypto.verified(jws, client.keys)
        return None if payload is None else parse_assertion(payload, self.policy, now=self.clock())

    def _kept_until(self, assertion: Assertion) -> datetime:
        """When no replica accepts the assertion any more, whose clock may differ by the leeway."""
        return assertion.expires_at + 2 * self.policy.leeway

    async def _refusal(self, named: UUID | None, reason: Reason, visitor: Visitor) -> OAuthRefused:
        await self.throttle.failed(named, visitor)
        await self.throttle.events.add(failed(visitor, EventKind.CLIENT_FAILED, named).because(reason))
        return OAuthRefused(OAuthErrorCode.INVALID_CLIENT, "The credentials of the client are not valid.")


def _name(assertion: Assertion) -> bytes:
    """A name of a fixed length for a ``jti`` of a client; clients may choose equal ones."""
    return sha256(assertion.client_id.bytes + assertion.jti.encode()).digest()
