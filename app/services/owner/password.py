"""Passwords: changed by their owners."""

from app.crypto.passwords import PasswordHasher
from app.domain.events import Event, EventKind, by_visitor
from app.domain.passwords import Objection
from app.domain.refusals import Refusal, Refused
from app.domain.sessions import ClientKind
from app.domain.throttling import TooManyRequests
from app.domain.visitors import Visitor
from app.services.open_session import OpenSession, TokenPair
from app.services.owner.caller import Caller, WhoAmI
from app.services.password_rules import NewPasswords
from app.services.revocations import Revocations
from app.services.throttling import Attempt, Throttle
from app.storage.postgres.accounts import AccountStore
from app.storage.postgres.events import EventStore


class WeakPassword(Refused):
    """The new password is refused, and why."""

    def __init__(self, objection: Objection) -> None:
        super().__init__(Refusal.INVALID_REQUEST)
        self.objection = objection


class ChangePassword:
    """Replaces a password by whoever knows the current one, and ends every session that it had opened."""

    def __init__(
        self,
        accounts: AccountStore,
        hasher: PasswordHasher,
        who_am_i: WhoAmI,
        throttle: Throttle,
        open_session: OpenSession,
        revocations: Revocations,
        new_passwords: NewPasswords,
        events: EventStore,
    ) -> None:
        self._accounts = accounts
        self._hasher = hasher
        self._who_am_i = who_am_i
        self._throttle = throttle
        self._open_session = open_session
        self._revocations = revocations
        self._new_passwords = new_passwords
        self._events = events

    async def __call__(
        self, access_token: str, current: str, new: str, visitor: Visitor, device: str = ""
    ) -> TokenPair:
        """The tokens of a new session, which is then the account's only one; a browser's ``device`` knows it.

        An access token is not enough: whoever found one may not take the account over, nor guess for long.
        """
        self._open_session.require_ready()
        caller = await self._who_am_i(access_token)
        account, lasts, session_id = caller.account, self._revocations.lasts, caller.token.session_id
        failed = by_visitor(visitor, EventKind.PASSWORD_CHANGE_FAILED, account.id, session_id)
        changed = by_visitor(visitor, EventKind.PASSWORD_CHANGED, account.id, session_id)
        objection = self._new_passwords.objection(new, account.email)
        if objection is not None:
            raise WeakPassword(objection)
        with self._hasher.place():
            attempt = await self._verified(caller, current, failed)
            # Not before: whoever found an access token could have the other service asked without end.
            breach = await self._new_passwords.breach(new)
            if breach is not None:
                await attempt.give_back()
                raise WeakPassword(breach)
            new_hash = await self._hasher.hash(new)
        ended = await self._accounts.change_password(
            account.id, account.password_version, new_hash, lasts, changed
        )
        if ended is None:
            # It was changed while this one was being verified.
            await self._events.add(failed.with_details(overtaken=True))
            raise Refused(Refusal.INVALID_CREDENTIALS)
        await self._revocations.announce(ended)
        known = device if caller.token.client is ClientKind.BROWSER else None
        pair = await self._open_session(
            account, account.password_version + 1, caller.token.client, visitor, known
        )
        await attempt.succeeded()
        return pair

    async def _verified(self, caller: Caller, current: str, failed: Event) -> Attempt:
        try:
            attempt = await self._throttle.admit(self._throttle.password_change(caller.token.session_id))
        except TooManyRequests as refused:
            if refused.is_news:
                await self._events.add(failed.with_details(throttled=True))
            raise
        verdict = await self._hasher.verify(current, caller.account.password_hash)
        if not verdict.matches:
            await self._events.add(failed)
            raise Refused(Refusal.INVALID_CREDENTIALS)
        return attempt
