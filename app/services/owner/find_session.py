"""Finds the session of a refresh token, even if it has ended."""

from dataclasses import dataclass
from datetime import datetime

from app.crypto.refresh_tokens import RefreshTokens
from app.domain.sessions import RefreshToken, Session
from app.storage.postgres.sessions import SessionStore


@dataclass(frozen=True, slots=True)
class FindSession:
    """Finds the session of a refresh token of any generation."""

    sessions: SessionStore
    tokens: RefreshTokens

    async def __call__(self, refresh_token: str) -> tuple[Session, datetime] | None:
        """The session and the database's time, or None when the token is not genuine."""
        token = self.tokens.read(refresh_token)
        return None if token is None else await self.of(token)

    async def of(self, token: RefreshToken) -> tuple[Session, datetime] | None:
        """The same for a token whose mac is right."""
        found = await self.sessions.read(token.session_id)
        return found if found is not None and self.tokens.is_genuine(token, found[0]) else None
