"""How Postgres plans a statement, and how much the plan reads."""

import json
from collections.abc import Iterator
from typing import Any

from tests.support.database import Sql

Node = dict[str, Any]


async def explain(sql: Sql, statement: str, *arguments: object, generic: bool = True) -> list[Node]:
    """Return the nodes of a plan, with the rows that they read; the changes are rolled back.

    ``generic`` asks for the plan that serves all arguments, which a connection uses from the sixth time on.
    """
    await sql.execute(f"SET plan_cache_mode = force_{'generic' if generic else 'custom'}_plan")
    transaction = sql.transaction()
    await transaction.start()
    try:
        text = await sql.fetchval(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}", *arguments)
    finally:
        await transaction.rollback()
        await sql.execute("RESET plan_cache_mode")
    return list(_nodes(json.loads(text)[0]["Plan"]))


def indexes(plan: list[Node]) -> set[str]:
    """Return the names of the indexes that a plan uses."""
    return {node["Index Name"] for node in plan if "Index Name" in node}


def read_whole(plan: list[Node]) -> set[str]:
    """Return the tables that a plan reads from the first row to the last."""
    return {node["Relation Name"] for node in plan if node["Node Type"] == "Seq Scan"}


def rows_read(plan: list[Node], table: str) -> float:
    """Return how many rows of a table the nodes of a plan read, also those that a filter removed."""
    read: float = sum(
        (node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"]
        for node in plan
        if node.get("Relation Name") == table
    )
    return read


def _nodes(plan: Node) -> Iterator[Node]:
    yield plan
    for part in plan.get("Plans", ()):
        yield from _nodes(part)
