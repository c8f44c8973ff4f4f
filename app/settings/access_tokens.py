"""Settings of access tokens."""

from typing import Annotated

from pydantic import AfterValidator, Field

from app.domain.access_tokens import TokenPolicy
from app.settings.http import HttpSettings, short_claim
from app.settings.sessions import SessionSettings
from app.settings.values import HOUR, MINUTE, SECOND, Between, Duration, Switch


class AccessTokenSettings(SessionSettings, HttpSettings):
    """For whom access tokens are issued, and how long they live."""

    audience: Annotated[
        str,
        Field(
            min_length=1,
            description="The aud of access tokens: one string that verifiers compare.",
        ),
        AfterValidator(short_claim),
    ]
    access_token_ttl: Annotated[
        Duration,
        Between(SECOND, HOUR),
        Field(description="How long an access token lives."),
    ] = 15 * MINUTE
    leeway: Annotated[
        Duration,
        Between(0 * SECOND, MINUTE),
        Field(description="How far the clocks of verifiers may differ."),
    ] = 30 * SECOND
    status_lists: Annotated[
        Switch,
        Field(
            description="Whether access tokens name their place in the status lists of GET /status/{number}: "
            "on or off."
        ),
    ] = True

    def token_policy(self) -> TokenPolicy:
        """Who issues access tokens, for whom, and for how long."""
        return TokenPolicy(
            self.issuer,
            self.audience,
            # An access token must not outlive the idle end of its session.
            lifetime=min(self.access_token_ttl, self.session_idle_ttl),
            leeway=self.leeway,
            names_status=self.status_lists,
        )
