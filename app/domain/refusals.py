"""The catalogue of refusals: every reason to refuse, with its public code and its sentence."""

from collections.abc import Mapping
from enum import StrEnum


class Refusal(StrEnum):
    """A reason to refuse; the value is the public, frozen ``code`` of the response."""

    INVALID_CREDENTIALS = "invalid_credentials"
    ACCOUNT_DISABLED = "account_disabled"
    REFRESH_TOKEN_MISSING = "refresh_token_missing"
    REFRESH_TOKEN_INVALID = "refresh_token_invalid"
    REFRESH_TOKEN_EXPIRED = "refresh_token_expired"
    REFRESH_TOKEN_REUSED = "refresh_token_reused"
    SESSION_REVOKED = "session_revoked"
    INVALID_TOKEN = "invalid_token"
    CROSS_SITE_REQUEST = "cross_site_request"
    TOO_MANY_REQUESTS = "too_many_requests"
    INVALID_REQUEST = "invalid_request"
    OVERLOADED = "overloaded"
    UNAVAILABLE = "unavailable"
    # The rest are shown to operators.
    ACCOUNT_UNKNOWN = "account_unknown"
    EMAIL_INVALID = "email_invalid"
    EMAIL_TAKEN = "email_taken"
    ROLE_INVALID = "role_invalid"
    ROLES_TOO_LONG = "roles_too_long"
    LIMITS_NOT_SHARED = "limits_not_shared"
    KEY_UNKNOWN = "key_unknown"
    KEY_SEALED = "key_sealed"
    KEYS_INCOMPLETE = "keys_incomplete"
    KEYS_CHANGED = "keys_changed"
    STANDBY_TOO_YOUNG = "standby_too_young"
    CLIENT_UNKNOWN = "client_unknown"
    CLIENT_NAME_INVALID = "client_name_invalid"
    CLIENT_NAME_TAKEN = "client_name_taken"
    CLIENT_KEYS_INVALID = "client_keys_invalid"
    SCOPE_INVALID = "scope_invalid"
    SCOPES_TOO_LONG = "scopes_too_long"


SENTENCES: Mapping[Refusal, str] = {
    Refusal.INVALID_CREDENTIALS: "The e-mail address or the password is wrong.",
    Refusal.ACCOUNT_DISABLED: "This account is disabled.",
    Refusal.REFRESH_TOKEN_MISSING: "No refresh token was sent, neither in the cookie nor in the body.",
    Refusal.REFRESH_TOKEN_INVALID: "The refresh token is not valid.",
    Refusal.REFRESH_TOKEN_EXPIRED: "The session has expired; sign in again.",
    Refusal.REFRESH_TOKEN_REUSED: (
        "The refresh token was used before, so its session was ended; sign in again."
    ),
    Refusal.SESSION_REVOKED: "The session was ended; sign in again.",
    Refusal.INVALID_TOKEN: "The access token is missing, expired, revoked or not valid.",
    Refusal.CROSS_SITE_REQUEST: "Requests from other sites are refused.",
    Refusal.TOO_MANY_REQUESTS: "Too many requests; try again later.",
    Refusal.INVALID_REQUEST: "The request does not have the form that this route takes.",
    Refusal.OVERLOADED: "The service is overloaded; try again in a moment.",
    Refusal.UNAVAILABLE: "The service cannot answer now; try again in a moment.",
    Refusal.ACCOUNT_UNKNOWN: "no account has the address {email!r}",
    Refusal.EMAIL_INVALID: "not an e-mail address: {email!r}",
    Refusal.EMAIL_TAKEN: "the account {email} already exists",
    Refusal.ROLES_TOO_LONG: "the roles take {size} bytes, and access tokens have room for {room}",
    Refusal.ROLE_INVALID: "not a role: {role!r} (1 to 64 of a-z, 0-9, _ . : -, a letter or digit first)",
    Refusal.LIMITS_NOT_SHARED: "Redis does not answer, so each process counts failures by itself",
    Refusal.KEY_UNKNOWN: "no key is called {kid!r}; look at: keys list",
    Refusal.KEY_SEALED: "no secret in AUTH_SECRET_KEYS opens the key {kid}; list the one that sealed it",
    Refusal.KEYS_INCOMPLETE: (
        "the keys are incomplete and cannot be completed: "
        "list the secret that sealed them in AUTH_SECRET_KEYS"
    ),
    Refusal.KEYS_CHANGED: "another change came first; look at: keys list",
    Refusal.STANDBY_TOO_YOUNG: (
        "the standby {kid} may sign from {may_sign_from:%Y-%m-%dT%H:%M:%SZ}, "
        "when every verifier has seen it; --now rotates anyway"
    ),
    Refusal.CLIENT_UNKNOWN: "no service client is called {name!r}; look at: clients list",
    Refusal.CLIENT_NAME_INVALID: (
        "not a name of a service client: {name!r} (1 to 64 of a-z, 0-9, _ . -, a letter first)"
    ),
    Refusal.CLIENT_NAME_TAKEN: "the service client {name} already exists",
    Refusal.CLIENT_KEYS_INVALID: "not a set of public keys that a service client may have: {reason}",
    Refusal.SCOPE_INVALID: (
        "not a scope: {scope!r} (1 to 64 letters, digits, _ . : / -, a letter or digit first)"
    ),
    Refusal.SCOPES_TOO_LONG: "the scopes take {size} bytes, and access tokens have room for {room}",
}
"""The sentence of each refusal; braces name the facts that a ``Refused`` carries."""
assert SENTENCES.keys() == set(Refusal)  # noqa: S101 - a forgotten sentence is an import error


class Refused(Exception):
    """Raised to refuse a request; anything that the refusal changes is committed before.

    ``retry_after`` is in whole seconds; ``facts`` fill in the sentence.
    """

    def __init__(self, refusal: Refusal, *, retry_after: int | None = None, **facts: object) -> None:
        super().__init__(refusal.value)
        self.refusal = refusal
        self.retry_after = retry_after
        self.facts = facts

    @property
    def sentence(self) -> str:
        """The reason as one sentence for a person."""
        return SENTENCES[self.refusal].format(**self.facts)


class Unavailable(Refused):
    """The refusal ``unavailable``; its ``reason`` is logged, never sent to clients."""

    def __init__(self, reason: str) -> None:
        super().__init__(Refusal.UNAVAILABLE, retry_after=1)
        self.reason = reason
