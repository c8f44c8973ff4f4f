"""``migrate``: the tables of this release, once Postgres answers."""

from tenacity import Retrying

from app.cli.retries import retry_policy
from app.logs import configure_logs
from app.settings import DatabaseSettings, load
from app.storage.postgres import migrations
from app.wiring import blaming


def migrate() -> None:
    """Wait for Postgres, then migrate the tables to this release."""
    settings = load(DatabaseSettings)
    configure_logs("console", output="stderr")
    with blaming("AUTH_DATABASE_URL"):
        config = migrations.alembic_config(settings.database_url, through_pooler=settings.through_pooler)
    found, newest = Retrying(**retry_policy(settings))(migrations.migrate, config)
    if found is None:
        print(f"the tables are made: revision {newest}")
    elif found == newest:
        print(f"nothing to do: the tables have revision {newest}")
    else:
        print(f"the tables are migrated: from revision {found} to {newest}")
