"""Settings of the rate limits."""

from typing import Annotated

from pydantic import Field

from app.domain.throttling import Limit, ThrottlingPolicy
from app.settings.environment import EnvironmentSettings
from app.settings.values import DAY, HOUR, MINUTE, Limits


class ThrottlingSettings(EnvironmentSettings):
    """How many failed logins and refreshes are allowed before attempts are refused."""

    login_limit_account: Annotated[
        Limits,
        Field(description="Failed logins of one account from unknown devices."),
    ] = (Limit(20, MINUTE), Limit(40, HOUR), Limit(60, DAY), Limit(100, 30 * DAY))
    login_limit_address: Annotated[
        Limits,
        Field(
            description="Failed logins from one IPv4 address or IPv6 /64 network; known devices are exempt."
        ),
    ] = (Limit(100, MINUTE), Limit(1000, HOUR))
    login_limit_global: Annotated[
        Limits, Field(description="Failed logins from everywhere together; known devices are exempt.")
    ] = (Limit(600, MINUTE),)
    refresh_limit: Annotated[
        Limits,
        Field(
            description="Failed refreshes of one session; with tokens that are not genuine, from one address."
        ),
    ] = (Limit(300, MINUTE),)

    def throttling_policy(self) -> ThrottlingPolicy:
        """How many failures are allowed."""
        return ThrottlingPolicy(
            account=self.login_limit_account,
            address=self.login_limit_address,
            everyone=self.login_limit_global,
            refresh=self.refresh_limit,
        )
