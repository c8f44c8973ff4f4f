"""Settings of the service's address, its frontends and its proxies."""

from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_settings import NoDecode

from app.settings.environment import EnvironmentSettings
from app.settings.values import network, origin, parts, web_address


class HttpSettings(EnvironmentSettings):
    """Where the service is reached, by which frontends, and through which proxies."""

    issuer: Annotated[
        str,
        AfterValidator(web_address),
        Field(description="Public URL of this service, https except on localhost; the iss of access tokens."),
    ]
    allowed_origins: Annotated[
        tuple[Annotated[str, AfterValidator(origin)], ...],
        NoDecode,
        BeforeValidator(parts),
        Field(description="Origins of the frontends, on the same site as the issuer; no wildcards."),
    ] = ()
    trusted_proxies: Annotated[
        tuple[Annotated[str, AfterValidator(network)], ...],
        NoDecode,
        BeforeValidator(parts),
        Field(description="Addresses or networks of the proxies whose X-Forwarded-For is trusted."),
    ] = ()
