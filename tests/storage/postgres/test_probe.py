"""What the probe of the database asks for."""

from app.storage.postgres.probe import COLUMNS
from app.storage.postgres.tables import metadata


def test_the_probe_asks_for_every_column_of_every_table() -> None:
    described = {table.name: ", ".join(table.c.keys()) for table in metadata.sorted_tables}
    assert described == COLUMNS
