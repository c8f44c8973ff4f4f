"""Runs Alembic's migrations against the operator's database."""

from pathlib import Path

from alembic import command
from alembic.config import Config

_ROOT = Path(__file__).parents[3]


def alembic_config(url: str) -> Config:
    """Alembic's configuration for this database."""
    config = Config(_ROOT / "alembic.ini")
    config.attributes["url"] = url
    return config


def migrate(url: str) -> None:
    """Bring the database to the newest schema; of several at once, one works and the others wait."""
    command.upgrade(alembic_config(url), "head")
