"""An engine of SQLAlchemy for migrations, on connections that are opened as those of the service."""

from typing import Any

from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from app.storage.postgres.connections import Connector
from app.storage.postgres.parameters import ISOLATION
from app.storage.postgres.poolers import is_pooled


def open_migration_engine(url: str, *, through_pooler: bool | None = None) -> AsyncEngine:
    """An engine without a pool and without time limits."""
    engine = create_async_engine(
        "postgresql+asyncpg://",
        async_creator=Connector(url, through_pooler=through_pooler, limited=False).connect,
        isolation_level=ISOLATION,
        poolclass=NullPool,
    )
    event.listen(engine.sync_engine, "connect", _keep_nothing_prepared)
    return engine


def _keep_nothing_prepared(adapter: Any, *_: object) -> None:  # noqa: ANN401 - SQLAlchemy's adapter
    """Switch SQLAlchemy's cache of prepared statements off where a pooler may change the session."""
    if is_pooled(adapter.driver_connection):
        adapter._prepared_statement_cache = None  # noqa: SLF001 - an engine has one size for all connections
