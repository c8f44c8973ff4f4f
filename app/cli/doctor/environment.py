"""Everything that the settings alone tell."""

import os
from collections.abc import Iterator
from pathlib import Path

from app.cli.doctor import browsers, networks, policies, verifiers
from app.cli.doctor.findings import Finding
from app.settings import PREFIX, Settings
from app.storage.postgres import urls
from app.storage.redis import client


def judged(settings: Settings) -> Iterator[Finding]:
    """The findings, subject by subject."""
    yield from verifiers.issuer(settings.issuer, settings.audience)
    yield from browsers.origins(settings.issuer, settings.allowed_origins)
    yield from browsers.cookies(settings.issuer, settings.session_ttl)
    yield from networks.proxies(settings.issuer, settings.trusted_proxies)
    yield networks.postgres_link(*urls.servers(settings.database_url))
    redis_hosts, tls = client.servers(settings.redis_url)
    yield networks.redis_link(redis_hosts, tls=tls)
    yield from policies.secrets(len(settings.secret_keys), _file_modes())
    yield from verifiers.lifetimes(
        settings.access_token_ttl, settings.session_idle_ttl, settings.session_ttl, settings.refresh_grace
    )
    yield from policies.limits(settings.login_limit_account)


def _file_modes() -> dict[str, int]:
    """The modes of the files that hold a secret, by the variables that name them."""
    secret = [PREFIX + name.upper() for name, field in Settings.model_fields.items() if not field.repr]
    named = {f"{name}_FILE": os.environ.get(f"{name}_FILE") for name in secret}
    return {variable: Path(path).stat().st_mode for variable, path in named.items() if path}
