"""Sessions of Postgres ask for the isolation that the statements are written for."""

from app.dev import Servers
from app.storage.postgres.database import open_database
from tests.support.database import connect


async def test_a_database_with_another_default_is_read_committed_all_the_same(
    servers: Servers, empty_database: str
) -> None:
    operator = await connect(empty_database)
    name = await operator.fetchval("SELECT current_database()")
    await operator.execute(f"ALTER DATABASE \"{name}\" SET default_transaction_isolation = 'serializable'")
    await operator.close()
    database = open_database(empty_database, pool_size=1)
    (row,) = await database.rows("SELECT current_setting('transaction_isolation') AS level")
    async with database.transaction() as connection:
        in_transaction = await connection.fetchval("SHOW transaction_isolation")
        assert in_transaction == row["level"] == "read committed"
    await database.close()
