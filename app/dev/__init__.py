"""The embedded default: a private PostgreSQL and Valkey, and the service with a demo account."""

from app.dev.processes import DevError
from app.dev.reset import reset
from app.dev.servers import Servers, embedded_servers
from app.dev.service import run

__all__ = ["DevError", "Servers", "embedded_servers", "reset", "run"]
