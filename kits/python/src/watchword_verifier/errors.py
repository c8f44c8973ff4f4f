"""Why a request is turned away. No message and no attribute ever holds a token."""

from enum import StrEnum
from math import ceil


class Reason(StrEnum):
    """Why a token is not valid; the values are those of ``contract/tokens``."""

    MALFORMED = "malformed"
    """Not three canonical base64url parts of strict JSON within the size limit."""
    TYPE = "type"
    """Not an access token, or a header member that changes the meaning of a token."""
    UNKNOWN_KEY = "unknown_key"
    ALGORITHM = "algorithm"
    """Not the algorithm of the key."""
    SIGNATURE = "signature"
    ISSUER = "issuer"
    AUDIENCE = "audience"
    CLAIM = "claim"
    """A required claim is missing, or a claim has a wrong type."""
    EXPIRED = "expired"
    NOT_YET_VALID = "not_yet_valid"
    STATUS = "status"
    """Its status cannot be looked up: a foreign list, an index out of range, or missing though required."""
    REVOKED = "revoked"


class Rejected(Exception):
    """A request is not let in; each subclass is one kind of HTTP answer."""


class MissingToken(Rejected):
    """The request has no bearer token: 401 without an error code (RFC 6750 section 3.1)."""

    def __init__(self) -> None:
        super().__init__("the request has no bearer token")


class MalformedRequest(Rejected):
    """The request has two ``Authorization`` headers, or a malformed one: 400 (RFC 6750 section 3.1)."""

    def __init__(self) -> None:
        super().__init__("the Authorization header is malformed or repeated")


class InvalidToken(Rejected):
    """The token is not valid, and a new one is needed: 401 ``invalid_token``."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(f"the access token is not valid: {reason}")
        self.reason = reason


class StepUpRequired(Rejected):
    """The user has to sign in again: 401 ``insufficient_user_authentication`` (RFC 9470 section 3)."""

    def __init__(self, max_age: int) -> None:
        super().__init__(f"a sign-in within the last {max_age} seconds is required")
        self.max_age = max_age
        """Seconds."""


class Forbidden(Rejected):
    """The token is valid and does not allow this: 403 ``insufficient_scope`` (RFC 6750 section 3.1)."""

    def __init__(self, scopes: tuple[str, ...] = ()) -> None:
        super().__init__("the access token does not allow this")
        self.scopes = scopes
        """The scopes that are required; empty when a role is missing."""


class Unavailable(Rejected):
    """Whether the token is valid cannot be known now: 503, since a 401 would sign a browser out."""

    def __init__(self, retry_after: float) -> None:
        super().__init__("whether the access token is valid cannot be known now")
        self.retry_after = max(1, min(60, ceil(retry_after)))
        """Whole seconds, from 1 to 60."""


class ConfigurationError(ValueError):
    """The verifier cannot work with these options. Raised when it is made, never later."""


_SERVER_ERRORS = 500


class FetchError(Exception):
    """A document could not be fetched or is of no use; the message says why, and is safe to log."""

    def __init__(self, message: str, status: int | None = None, *, is_answered: bool = True) -> None:
        super().__init__(message)
        self.status = status
        """The HTTP status, when there was an answer that is not 200."""
        self.is_outage = not is_answered or (status is not None and status >= _SERVER_ERRORS)
        """Whether there was no answer, or the server says that it cannot give one."""
