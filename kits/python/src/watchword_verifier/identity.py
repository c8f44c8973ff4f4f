"""Whom a verified access token stands for."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class StatusReference:
    """Where the status of a token is published (draft-ietf-oauth-status-list section 6.2)."""

    uri: str
    index: int


@dataclass(frozen=True, slots=True)
class Identity:
    """The facts of a verified access token. All times are whole seconds since 1970."""

    subject: str
    """``sub``: the account, or the client when it acts for itself."""
    client_id: str
    token_id: str
    """``jti``."""
    key_id: str
    """The ``kid`` of the key that signed the token."""
    issued_at: int
    expires_at: int
    session_id: str | None
    """``sid``: shared by the tokens of one sign-in, and absent from those of service clients."""
    roles: tuple[str, ...]
    scopes: tuple[str, ...]
    authenticated_at: int | None
    """``auth_time``: when the user signed in."""
    methods: tuple[str, ...]
    """``amr``: how the user signed in (RFC 8176)."""
    status: StatusReference | None
    claims: Mapping[str, object] = field(repr=False, compare=False)
    """Every claim of the token, as it was decoded."""

    @property
    def is_client(self) -> bool:
        """Whether a service client acts for itself (RFC 9068 section 2.2)."""
        return self.subject == self.client_id

    def continues(self, earlier: "Identity") -> bool:
        """Whether this token belongs to the same sign-in as an earlier one."""
        return (self.subject, self.client_id, self.session_id) == (
            earlier.subject,
            earlier.client_id,
            earlier.session_id,
        )
