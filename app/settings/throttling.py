"""Settings of the rate limits."""

from typing import Annotated

from pydantic import AfterValidator, Field

from app.domain.throttling import Limit, ThrottlingPolicy
from app.settings.environment import EnvironmentSettings
from app.settings.values import DAY, HOUR, MINUTE, Limits, within_a_day


class ThrottlingSettings(EnvironmentSettings):
    """How many failed logins and refreshes are allowed before attempts are refused."""

    login_limit_account: Annotated[
        Limits,
        AfterValidator(within_a_day),
        Field(description="Failed logins of one account from unknown devices, in a day at most."),
    ] = (Limit(20, MINUTE), Limit(40, HOUR), Limit(60, DAY))
    login_limit_address: Annotated[
        Limits,
        Field(
            description="Failed logins from an IPv4 address or IPv6 /64; "
            "a /56 has 4 times as many, a /48 16 times."
        ),
    ] = (Limit(100, MINUTE), Limit(1000, HOUR))
    login_limit_global: Annotated[
        Limits,
        Field(description="Failed logins from all networks that fail; as many are reserved for the others."),
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
