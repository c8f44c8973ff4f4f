"""Gives the service's database role its rights and its password, as the owner of the database.

Usage: AUTH_DATABASE_URL_FILE=owner_url python grants.py grants.sql password_file
"""

import asyncio
import os
import sys
from pathlib import Path

import asyncpg


async def grant(url: str, statements: str, password: str) -> None:
    """Run the statements and set the password, in one transaction."""
    owner = await asyncpg.connect(url)
    async with owner.transaction():
        await owner.execute(statements)
        quoted = await owner.fetchval("SELECT quote_literal($1::text)", password)
        await owner.execute(f"ALTER ROLE watchword_service LOGIN PASSWORD {quoted}")
    await owner.close()


if __name__ == "__main__":
    files = (os.environ["AUTH_DATABASE_URL_FILE"], *sys.argv[1:])
    asyncio.run(grant(*(Path(file).read_text().strip() for file in files)))
