from collections.abc import AsyncIterator

import pytest

from tests.support.database import Sql
from tests.support.people import Person, marker


@pytest.fixture
async def failing(sql: Sql, person: Person) -> AsyncIterator[str]:
    """Postgres fails in an unexpected way when this person's session is opened; the text of its error."""
    words = marker()
    await sql.execute(f"""
        CREATE FUNCTION {words}() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF NEW.account_id = '{person.id}' THEN RAISE EXCEPTION '{words}'; END IF;
            RETURN NEW;
        END $$
    """)
    await sql.execute(
        f"CREATE TRIGGER {words} BEFORE INSERT ON sessions FOR EACH ROW EXECUTE FUNCTION {words}()"
    )
    yield words
    await sql.execute(f"DROP FUNCTION {words} CASCADE")
