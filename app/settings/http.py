"""Settings of the service's address, its frontends and its proxies."""

import re
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field

from app.domain.access_tokens import MAX_NAME_SIZE, size_of
from app.settings.environment import EnvironmentSettings
from app.settings.values import (
    app_origin,
    network,
    not_everyone,
    off,
    origin,
    parts,
    web_address,
)

_HSTS = re.compile(r"max-age=[0-9]{1,10}(; includeSubDomains(; preload)?)?", re.ASCII)
_ROOT_PATH = re.compile(r"(/[A-Za-z0-9._~-]+)*", re.ASCII)


def _hsts(text: str | None) -> str | None:
    if text is not None and not _HSTS.fullmatch(text):
        raise ValueError("must be like max-age=63072000 or max-age=63072000; includeSubDomains, or off")
    return text


def _root_path(text: str | None) -> str | None:
    if text is None:
        return None
    path = text.removesuffix("/")
    if not _ROOT_PATH.fullmatch(path) or {".", ".."} & set(path.split("/")):
        raise ValueError("must be a path such as /auth")
    return path


def short_claim(text: str) -> str:
    """A text that leaves access tokens room for the other claims."""
    if size_of(text) > MAX_NAME_SIZE:
        raise ValueError(f"takes {size_of(text)} bytes, and access tokens have room for {MAX_NAME_SIZE}")
    return text


class HttpSettings(EnvironmentSettings):
    """Where the service is reached, by which frontends, and through which proxies."""

    issuer: Annotated[
        str,
        AfterValidator(web_address),
        AfterValidator(short_claim),
        Field(description="Public URL of this service, https except on localhost; the iss of access tokens."),
    ]
    allowed_origins: Annotated[
        tuple[Annotated[str, AfterValidator(origin)], ...],
        BeforeValidator(parts),
        Field(description="Origins of the frontends, on the same site as the issuer; no wildcards."),
    ] = ()
    native_origins: Annotated[
        tuple[Annotated[str, AfterValidator(app_origin)], ...],
        BeforeValidator(parts),
        Field(description="Origins of apps in a web view, which sign in as native clients; any scheme."),
    ] = ()
    trusted_proxies: Annotated[
        tuple[Annotated[str, AfterValidator(network)], ...],
        BeforeValidator(parts),
        AfterValidator(not_everyone),
        Field(description="Addresses or networks of the proxies whose X-Forwarded-For is trusted."),
    ] = ()
    root_path: Annotated[
        str | None,
        AfterValidator(_root_path),
        Field(description="Path that the proxy passes on in front of every route; empty: it strips it."),
    ] = None
    hsts: Annotated[
        str | None,
        BeforeValidator(off),
        AfterValidator(_hsts),
        Field(description="Strict-Transport-Security where the issuer is https and not localhost, or off."),
    ] = "max-age=63072000"
