"""The catalogue of refusals: what the service says when it says no."""

from enum import StrEnum


class Refusal(StrEnum):
    """A reason to refuse; the value is the public, frozen ``code`` of the answer."""

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


class Refused(Exception):
    """Carries a refusal to the edge; whatever had to be written is committed before it is raised."""

    def __init__(self, refusal: Refusal, *, retry_after: int | None = None) -> None:
        super().__init__(refusal.value)
        self.refusal = refusal
        self.retry_after = retry_after
