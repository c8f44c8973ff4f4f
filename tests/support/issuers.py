"""A service that is where its tokens say, so that its keys and status lists are found."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from app.dev import Servers
from tests.support.servers import Service, database, free_port, migrate

AUDIENCE = "https://orders.example.com"


@contextmanager
def own_issuer(servers: Servers, environment: dict[str, str], folder: Path) -> Iterator[Service]:
    """A service with a database of its own, for the audience of the tests."""
    port = free_port()
    with database(servers.database_url, f"watchword_{uuid4().hex}") as url:
        own = environment | {
            "AUTH_DATABASE_URL": url,
            "AUTH_ISSUER": f"http://localhost:{port}",
            "AUTH_AUDIENCE": AUDIENCE,
        }
        migrate(own)
        with Service(own, folder, port=port) as service:
            yield service
