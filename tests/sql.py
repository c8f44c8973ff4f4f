"""A second connection to the database, from which tests look and shift columns."""

from typing import TypeAlias

import asyncpg
from sqlalchemy import make_url

Sql: TypeAlias = "asyncpg.Connection[asyncpg.Record]"


async def connect(url: str) -> Sql:
    """Connect to the database of an ``AUTH_DATABASE_URL``."""
    return await asyncpg.connect(
        make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    )
