"""Sessions: opened by a login, carried on by refreshes, ended by a logout."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import assert_never
from uuid import UUID, uuid4

import structlog

from app.crypto.passwords import Overloaded, PasswordHasher
from app.crypto.sessions import RefreshTokens
from app.domain.accounts import Account, normalise_email
from app.domain.refusals import Refusal, Refused
from app.domain.sessions import (
    Client,
    RefreshToken,
    ReuseRevokes,
    Session,
    SessionGrant,
    SessionPolicy,
    Standing,
    judge,
)
from app.services.revocations import Revocations
from app.services.tokens import Authenticate, MintedToken, TokenMinter
from app.storage.postgres.accounts import AccountStore
from app.storage.postgres.sessions import SessionStore, Visitor

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class TokenPair:
    """What a client takes away: an access token, and the refresh token to carry on with."""

    access_token: MintedToken
    refresh_token: str = field(repr=False)
    client: Client


class Login:
    """Opens a session for whoever knows an account's password."""

    def __init__(
        self,
        accounts: AccountStore,
        sessions: SessionStore,
        hasher: PasswordHasher,
        tokens: RefreshTokens,
        minter: TokenMinter,
        policy: SessionPolicy,
        seeds: Callable[[], bytes],
    ) -> None:
        self._accounts = accounts
        self._sessions = sessions
        self._hasher = hasher
        self._tokens = tokens
        self._minter = minter
        self._policy = policy
        self._seeds = seeds

    async def __call__(self, email: str, password: str, client: Client, visitor: Visitor) -> TokenPair:
        """The tokens of a new session; nothing that the caller holds already is taken over (fixation)."""
        self._minter.require_ready()
        account = await self._verified(email, password)
        token = self._tokens.first(uuid4(), self._seeds())
        grant = await self._sessions.open(
            token.session_id,
            account.id,
            account.password_version,
            client,
            self._tokens.digest(token),
            self._policy.absolute,
            visitor,
        )
        if grant is None:
            # The password was changed, or the account disabled or deleted, while it was being verified.
            raise Refused(Refusal.INVALID_CREDENTIALS)
        _log.info("login.succeeded", account=str(account.id), session=str(token.session_id))
        return TokenPair(await self._minter.mint(grant), self._tokens.write(token), client)

    async def _verified(self, email: str, password: str) -> Account:
        address = normalise_email(email)
        account = None if address is None else await self._accounts.by_email(address)
        # An unknown account costs a verification too, so that its absence does not show (ASVS 6.3.8).
        verdict = await self._hasher.verify(password, account.password_hash if account else None)
        if account is None or not verdict.matches:
            _log.info("login.failed", account=str(account.id) if account else None)
            raise Refused(Refusal.INVALID_CREDENTIALS)
        if not account.enabled:
            _log.info("login.failed", account=str(account.id), disabled=True)
            raise Refused(Refusal.ACCOUNT_DISABLED)
        if verdict.outdated:
            await self._rehash(account, password)
        return account

    async def _rehash(self, account: Account, password: str) -> None:
        # A queue that is full is no reason to refuse a right password; the next login comes by again.
        with suppress(Overloaded):
            new_hash = await self._hasher.hash(password)
            await self._accounts.rehash(account.id, account.password_hash, new_hash)


class Refresh:
    """Rotates a session's refresh token, and ends the session when a superseded one comes back.

    RFC 9700 section 4.14.2; the rules are told in ``app.domain.sessions``.
    """

    def __init__(
        self,
        accounts: AccountStore,
        sessions: SessionStore,
        tokens: RefreshTokens,
        minter: TokenMinter,
        revocations: Revocations,
        policy: SessionPolicy,
    ) -> None:
        self._accounts = accounts
        self._sessions = sessions
        self._tokens = tokens
        self._minter = minter
        self._revocations = revocations
        self._policy = policy

    async def __call__(self, presented: str, client: Client, visitor: Visitor) -> TokenPair:
        """The session's next tokens; within the grace a superseded token meets the current one again."""
        self._minter.require_ready()
        token = self._tokens.read(presented)
        if token is None:
            raise Refused(Refusal.REFRESH_TOKEN_INVALID)
        pair = await self._rotate(token, self._tokens.digest(token), client, visitor)
        # The row may change between a look at it and the rotation that follows: twice is always enough
        # unless it is being set back again and again.
        for _ in range(2):
            pair = pair or await self._look(token, client, visitor)
        if pair is None:
            raise Refused(Refusal.UNAVAILABLE)
        return pair

    async def _rotate(
        self, token: RefreshToken, expected: bytes, client: Client, visitor: Visitor
    ) -> TokenPair | None:
        successor = self._tokens.at(token, token.generation + 1)
        grant = await self._sessions.rotate(
            token.session_id,
            expected,
            token.generation,
            self._tokens.digest(successor),
            client,
            self._policy,
            visitor,
        )
        return None if grant is None else await self._pair(grant, successor)

    async def _look(self, token: RefreshToken, client: Client, visitor: Visitor) -> TokenPair | None:
        found = await self._sessions.read(token.session_id)
        if found is None:
            raise Refused(Refusal.REFRESH_TOKEN_INVALID)
        session, now = found
        if not self._tokens.is_genuine(token, session.generation, session.refresh_token_hash):
            raise Refused(Refusal.REFRESH_TOKEN_INVALID)
        match judge(token, session, client, self._policy, now=now):
            case Refusal() as refusal:
                raise Refused(refusal)
            case Standing.CURRENT | Standing.AHEAD:
                return await self._rotate(token, session.refresh_token_hash, client, visitor)
            case Standing.RETRY:
                return await self._pair(session.grant, self._tokens.at(token, session.generation))
            case Standing.REUSED:
                raise Refused(await self._end_reused(session))
            case never:
                assert_never(never)

    async def _end_reused(self, session: Session) -> Refusal:
        """End what a reuse ends, before it is refused; of two at once, one reports it."""
        owner, lasts = session.grant, self._revocations.lasts
        reused = str(owner.session_id)
        if self._policy.reuse_revokes is ReuseRevokes.ACCOUNT:
            ended = await self._accounts.end_sessions(owner.account_id, lasts)
        else:
            ended = [reused] if await self._sessions.end(owner.session_id, lasts) else []
        if reused not in ended:
            return Refusal.SESSION_REVOKED
        await self._revocations.announce(ended)
        _log.warning(
            "session.reuse_detected",
            account=str(owner.account_id),
            session=str(owner.session_id),
            ended=len(ended),
        )
        return Refusal.REFRESH_TOKEN_REUSED

    async def _pair(self, grant: SessionGrant, token: RefreshToken) -> TokenPair:
        return TokenPair(await self._minter.mint(grant), self._tokens.write(token), grant.client)


class Logout:
    """Ends the sessions that the presented tokens belong to, with all their access tokens."""

    def __init__(
        self,
        sessions: SessionStore,
        tokens: RefreshTokens,
        authenticate: Authenticate,
        revocations: Revocations,
    ) -> None:
        self._sessions = sessions
        self._tokens = tokens
        self._authenticate = authenticate
        self._revocations = revocations

    async def __call__(self, refresh_token: str | None, access_token: str | None) -> None:
        """End what there is to end; a token that is nobody's ends nothing and is no error.

        Any genuine refresh token serves, an ancestor too: whoever holds one may end the session.
        """
        if access_token is not None:
            await self._by_access_token(access_token)
        if refresh_token is not None:
            await self._by_refresh_token(refresh_token)

    async def _by_access_token(self, text: str) -> None:
        try:
            token = await self._authenticate(text)
        except Refused as refused:
            if refused.refusal is not Refusal.INVALID_TOKEN:
                raise
            return
        await self._end(token.session_id, token.token_id)

    async def _by_refresh_token(self, text: str) -> None:
        token = self._tokens.read(text)
        found = None if token is None else await self._sessions.read(token.session_id)
        if token is None or found is None:
            return
        session, _ = found
        if self._tokens.is_genuine(token, session.generation, session.refresh_token_hash):
            await self._end(token.session_id)

    async def _end(self, session_id: UUID, *token_ids: str) -> None:
        if await self._sessions.end(session_id, self._revocations.lasts, token_ids):
            _log.info("session.ended", session=str(session_id), by="logout")
        # Also when it had ended before: whoever ended it may have died before the index knew.
        await self._revocations.announce((str(session_id), *token_ids))
