"""``serve``: the listening sockets, and the workers that serve on them."""

import os
import sys

import structlog

from app import __version__
from app.logs import configure_logs
from app.server.sockets import bind, most_connections
from app.server.supervisor import Supervisor
from app.settings import PREFIX, Settings, SettingsError, load, misspelt_settings
from app.settings.server import Listen

_log = structlog.get_logger()


def serve(host: str | None, port: int | None, workers: int) -> None:
    """Serve until a signal. Options win over the setting."""
    settings = load(Settings)
    configure_logs(settings.log_format, settings.log_level)
    if misspelt := misspelt_settings():
        # Without values, which may be secrets.
        _log.warning("settings.unknown", variables=misspelt)
    address = Listen(host or settings.listen.host, port or settings.listen.port)
    try:
        sockets = bind(address.host, address.port)
    except OSError as error:
        raise SettingsError(f"cannot listen on {address}: {error.strerror}") from None
    most = most_connections(settings.connections)
    if most < settings.connections:
        _log.warning("connections.few_files", setting="AUTH_CONNECTIONS", limit=most)
    if "password_hash_threads" not in settings.model_fields_set:
        # The workers share the threads that one process would use by default. Each worker needs one.
        share = max(1, settings.password_hash_threads // workers)
        os.environ[f"{PREFIX}PASSWORD_HASH_THREADS"] = str(share)

    def announce(facts: object) -> None:
        assert isinstance(facts, dict)  # noqa: S101 - a worker of ours sends it
        _log.info("serve.started", version=__version__, address=str(address), workers=workers, **facts)

    drain = settings.drain.total_seconds()
    sys.exit(Supervisor("app.cli.work:work", workers, sockets, drain, announce).run())
