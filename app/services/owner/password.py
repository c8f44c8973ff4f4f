"""Password change: an account's owner replaces the password, given the current one."""

from dataclasses import dataclass

from app.domain.accounts import canonical_email
from app.domain.events import Event, EventKind, Reason, by_owner
from app.domain.proofs import PASSWORD, Proof
from app.domain.sessions import ClientKind
from app.domain.throttling import TooManyRequests
from app.domain.visitors import Visitor
from app.services.end_sessions import EndSessions
from app.services.guesses import Guesses, mismatch
from app.services.open_session import OpenSession, TokenPair
from app.services.owner.caller import WhoAmI
from app.services.password_rules import PasswordRules
from app.storage.postgres.accounts import AccountStore


@dataclass(frozen=True, slots=True)
class ChangePassword:
    """Replaces a password, given the current one, and ends every session of the account."""

    accounts: AccountStore
    who_am_i: WhoAmI
    rules: PasswordRules
    guesses: Guesses
    end_sessions: EndSessions
    open_session: OpenSession

    async def __call__(
        self, access_token: str, current: str, new: str, visitor: Visitor, device: str = ""
    ) -> TokenPair:
        """The tokens of a new session, the only one of the account; a browser's ``device`` is remembered.

        The current password is required and throttled, so a stolen access token is not enough to take the
        account over or to guess for long.
        """
        self.open_session.require_ready()
        caller = await self.who_am_i(access_token)
        account, session_id, client = caller.account, caller.token.session_id, caller.token.client
        failed = by_owner(visitor, EventKind.PASSWORD_CHANGE_FAILED, account.id, session_id)
        changed = by_owner(visitor, EventKind.PASSWORD_CHANGED, account.id, session_id)
        self.rules.require_strong(new, account.email)

        async def throttled(_: TooManyRequests) -> Event:
            return failed.because(Reason.THROTTLED)

        attempt = self.guesses.throttle.password_change(
            session_id, canonical_email(account.email), visitor.address
        )
        async with self.guesses.guess(attempt, throttled) as guess:
            check = await guess.verify(current, account.password_hash)
            if not check.matches:
                raise await guess.refuse(failed, mismatch(check))
            # Only after the current password, since a stolen access token must not cause unlimited look-ups.
            # The current password was right, so a refusal of the new one refunds the charge.
            guess.is_decided = False
            await self.rules.require_unbreached(new)
            guess.is_decided = True
            new_hash = await guess.hash(new)
            committed = await self.accounts.change_password(
                account.id, account.password_version, new_hash, changed
            )
            if committed is None:
                raise await guess.refuse(failed, Reason.OVERTAKEN)
            ended, version = committed
        # The slot for hashing is free again, since an account may have very many sessions to end.
        await self.end_sessions.announce(ended)
        proof = Proof(account.id, version, (PASSWORD,))
        device_tokens = device if client is ClientKind.BROWSER else None
        return await self.open_session(proof, client, visitor, device_tokens)
