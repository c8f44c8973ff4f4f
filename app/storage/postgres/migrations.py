"""Runs Alembic's migrations against the operator's database."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util import CommandError

from app.storage.postgres.database import Database
from app.storage.postgres.outages import Misconfigured, translate
from app.storage.postgres.urls import database_url

_ROOT = Path(__file__).parents[3]


def alembic_config(url: str) -> Config:
    """Alembic's configuration for this database; ValueError when the URL cannot be used."""
    database_url(url)
    config = Config(_ROOT / "alembic.ini")
    config.attributes["url"] = url
    return config


def migrate(config: Config) -> None:
    """Bring the database to the newest schema. Of several callers at once, one works and the others wait."""
    try:
        command.upgrade(config, "head")
    except CommandError as error:
        raise Misconfigured(f"the tables are not of a version that this release knows: {error}") from error
    except Exception as error:
        translate(error)
        raise


def known() -> list[str]:
    """The revisions that this release knows, the oldest first. It works on the tables of the last one."""
    revisions = ScriptDirectory.from_config(Config(_ROOT / "alembic.ini")).walk_revisions()
    return [script.revision for script in revisions][::-1]


async def revision(database: Database) -> str:
    """The revision of the tables; Misconfigured when they are missing."""
    found = await database.row("SELECT version_num FROM alembic_version")
    if found is None:
        raise Misconfigured("the tables are missing; run: python -m app migrate")
    return str(found["version_num"])
