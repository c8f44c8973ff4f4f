"""Runs Alembic's migrations against the operator's database."""

from pathlib import Path
from typing import NamedTuple

import asyncpg
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from app.storage.postgres.database import Database
from app.storage.postgres.migration_engine import open_migration_engine
from app.storage.postgres.outages import Misconfigured, translate

VERSION_TABLE = "watchword_alembic_version"
"""Where Alembic keeps the revision. Its default name may be used by another application."""
ENGINE = "engine"
"""The attribute of the configuration with the engine for ``migrations/env.py``."""
FOUND = "found"
"""The attribute of the configuration in which ``migrations/env.py`` leaves the revision that it found."""

_ROOT = Path(__file__).parents[3]
_COLUMNS = text("""
SELECT relname || '.' || attname FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid
WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p') AND NOT attisdropped
""")
_BROUGHT = {
    "0001": {
        "accounts.password_version",
        "revocations.expires_at",
        "sessions.refresh_token_hash",
        "signing_keys.sealed_private_key",
    },
    "0002": {"events.request_id"},
    "0003": {"events.actor", "sessions.amr"},
}
"""Columns by which the revisions are recognised that earlier releases recorded in ``alembic_version``."""
_EXISTS_ALREADY = (asyncpg.DuplicateTableError, asyncpg.DuplicateColumnError, asyncpg.DuplicateObjectError)


class Migrated(NamedTuple):
    """The revision of the tables before a migration, None without tables, and after it."""

    found: str | None
    newest: str


def alembic_config(url: str, *, through_pooler: bool | None = None) -> Config:
    """Alembic's configuration for this database; ValueError when the URL cannot be used."""
    config = Config(_ROOT / "alembic.ini")
    config.attributes[ENGINE] = open_migration_engine(url, through_pooler=through_pooler)
    return config


def migrate(config: Config) -> Migrated:
    """Bring the database to the newest schema. Of several callers at once, one works and the others wait."""
    try:
        command.upgrade(config, "head")
    except CommandError as error:
        raise Misconfigured(
            f"the tables are not of a version that this release knows: {error}", "use a newer release"
        ) from error
    except DBAPIError as error:
        # SQLAlchemy's adapter wraps the driver's own exception.
        cause = getattr(error.orig, "__cause__", None) or error.orig
        if isinstance(cause, _EXISTS_ALREADY):
            raise Misconfigured(
                f"the database has tables that Watchword did not make ({cause})",
                "give Watchword a database or a schema of its own",
            ) from error
        if isinstance(cause, asyncpg.InsufficientPrivilegeError):
            raise Misconfigured(
                f"AUTH_DATABASE_URL: Postgres says: {cause}", "use the URL of the owner of the tables"
            ) from error
        translate(cause if isinstance(cause, Exception) else error)
        raise
    except Exception as error:
        translate(error)
        raise
    return Migrated(config.attributes[FOUND], known()[-1])


def find_revision(context: MigrationContext, scripts: ScriptDirectory) -> str | None:
    """The revision of the tables, None without tables; it is recorded in our version table.

    Earlier releases recorded it in ``alembic_version``, whose row may be another application's. So columns
    tell the revision, and that table is neither read nor changed: the release before still finds it.
    """
    recorded = context.get_current_revision()
    if recorded is not None:
        return recorded
    assert context.connection is not None  # noqa: S101 - Alembic has none only when it prints its SQL
    columns = set(context.connection.execute(_COLUMNS).scalars())
    found = None
    for revision, brought in _BROUGHT.items():
        if not brought <= columns:
            break
        found = revision
    if found is not None:
        context.stamp(scripts, found)
    return found


def known() -> list[str]:
    """The revisions that this release knows, the oldest first. It works on the tables of the last one."""
    revisions = ScriptDirectory.from_config(Config(_ROOT / "alembic.ini")).walk_revisions()
    return [script.revision for script in revisions][::-1]


async def revision(database: Database) -> str:
    """The revision of the tables; Misconfigured when they are missing."""
    found = await database.row(f"SELECT version_num FROM {VERSION_TABLE}")  # noqa: S608 - a constant
    if found is None:
        raise Misconfigured("the tables are missing", "run: python -m app migrate")
    return str(found["version_num"])
