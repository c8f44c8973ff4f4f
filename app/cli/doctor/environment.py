"""Checks of the settings alone, before any server is asked."""

from collections.abc import Iterator

from app.cli.doctor import cookies, issuer, lifetimes, limits, origins, postgres, proxies, secrets, tls
from app.cli.doctor.findings import Finding
from app.cli.doctor.settings import check_names
from app.settings import PREFIX, Settings, file_of, misspelt_settings
from app.storage.postgres import urls
from app.storage.redis import client
from app.wiring import blaming


def check_settings(settings: Settings) -> Iterator[Finding]:
    """Return the findings, in the order of their subjects."""
    yield from check_names(misspelt_settings())
    yield from issuer.check_issuer(settings.issuer, settings.audience)
    yield from origins.check_origins(settings.issuer, settings.allowed_origins)
    yield from origins.check_native_origins(
        settings.issuer, settings.allowed_origins, settings.native_origins
    )
    yield from cookies.check_storage(settings.issuer, settings.session_ttl)
    yield from proxies.check_proxies(settings.issuer, settings.trusted_proxies)
    with blaming("AUTH_DATABASE_URL"):
        database_url = urls.parse_url(settings.database_url)
        postgres_hosts, ssl_mode = urls.servers(settings.database_url)
    with blaming("AUTH_REDIS_URL"):
        redis_hosts, with_tls = client.servers(settings.redis_url)
    yield tls.check_postgres_url(postgres_hosts, ssl_mode)
    yield from postgres.check_parameters(database_url.without_effect)
    yield tls.check_redis_url(redis_hosts, tls=with_tls)
    yield from secrets.check_secrets(len(settings.secret_keys), _file_modes())
    yield from lifetimes.check_lifetimes(
        settings.access_token_ttl,
        settings.session_idle_ttl,
        settings.session_ttl,
        settings.refresh_grace,
        status_lists=settings.status_lists,
    )
    yield from limits.check_limits(settings.login_limit_account)


def _file_modes() -> dict[str, int]:
    """Return the mode of each file that holds a secret, by the variable that names the file."""
    secret = [PREFIX + name.upper() for name, field in Settings.model_fields.items() if not field.repr]
    paths = {f"{name}_FILE": file_of(name) for name in secret}
    return {variable: path.stat().st_mode for variable, path in paths.items() if path}
