"""Whether a token is accepted, by what is at hand. Nothing here waits or fetches."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from watchword_verifier.claims import TYPES, Expected, parse_identity
from watchword_verifier.clock import Clock
from watchword_verifier.errors import InvalidToken, Reason
from watchword_verifier.identity import Identity
from watchword_verifier.jws import parse_jws
from watchword_verifier.options import Options
from watchword_verifier.sources import Sources


@dataclass(frozen=True, slots=True)
class Need:
    """What must be fetched before the token can be judged."""

    obtain: Callable[[], Awaitable[None]]


class Judge:
    """The rules, in their order: form, type, key, algorithm, signature, claims, status."""

    def __init__(self, options: Options, sources: Sources, clock: Clock) -> None:
        self._options = options
        self._expected = Expected(options.issuer, options.audience, options.leeway)
        self._sources = sources
        self._clock = clock

    def judge(self, token: str) -> Identity | Need:
        """The identity, or what is missing for a judgement.

        Raises:
            InvalidToken: The token is not valid.
            Unavailable: It cannot be known, and a fetch would not help now.
        """
        jws = parse_jws(token)
        if jws.type not in TYPES:
            raise InvalidToken(Reason.TYPE)
        key = self._sources.keys.find(jws.kid)
        if key is None:
            return Need(self._sources.keys.refresh)
        key.verify(jws)
        identity = parse_identity(jws, self._expected, now=self._clock.wall())
        return self.status(identity) or identity

    def status(self, identity: Identity) -> Need | None:
        """Return None when the token was not revoked, or what has to be fetched to know.

        Raises:
            InvalidToken: It was revoked, or its status cannot be looked up.
            Unavailable: The list has expired, and cannot be fetched.
        """
        if self._options.revocation == "none":
            return None
        if self._sources.revocations.covers(identity) or self._sources.keys.is_retired(identity.key_id):
            raise InvalidToken(Reason.REVOKED)
        reference = identity.status
        if reference is None:
            # The signature covers that there is no claim, so no one but the issuer can have left it out.
            if self._options.require_status and not identity.is_client:
                raise InvalidToken(Reason.STATUS)
            return None
        status = self._sources.lists.status(reference)
        if status is None:
            return Need(lambda: self._sources.lists.obtain(reference.uri))
        if status:
            raise InvalidToken(Reason.REVOKED)
        return None
