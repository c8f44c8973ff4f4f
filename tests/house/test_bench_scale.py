"""The benchmark of large tables runs against the real service, and says what it has to."""

import subprocess
import sys
from pathlib import Path

import orjson

from bench.scale_rows import EXPIRED_OF, SESSIONS_PER_ACCOUNT, fill
from tests.support.database import connect
from tests.support.servers import ROOT, migrate, process_environment

SMALL, LARGE = 200, 2000


def test_the_benchmark_writes_what_a_refresh_and_a_purge_cost(tmp_path: Path) -> None:
    sizes = ["--sessions", str(LARGE), "--small", str(SMALL), "--rounds", "2"]
    done = subprocess.run(
        [sys.executable, "-m", "bench.scale", *sizes, "--results", tmp_path],
        cwd=ROOT,
        env=process_environment({"PYTHONPATH": str(ROOT)}),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in {0, 1}, done.stderr
    found = orjson.loads((tmp_path / "scale.json").read_bytes())
    assert [found[name]["sessions"] for name in ("small", "large")] == [SMALL, LARGE]
    for name in ("small", "large"):
        assert found[name]["cpu_us"] > found[name]["postgres_us"] > 0
        assert 0 < found[name]["hot_percent"] <= 100
        assert found[name]["wal_bytes"]["off"] > 0
    assert found["ratio"]["lower"] <= found["ratio"]["median"] <= found["ratio"]["upper"]
    assert found["purge"]["rows"] == LARGE // EXPIRED_OF
    is_within = (
        found["ratio"]["median"] <= 1.15
        and min(found[name]["hot_percent"] for name in ("small", "large")) >= 95
    )
    assert done.returncode == (not is_within)


async def test_filling_leaves_every_key_and_index_as_it_was(
    environment: dict[str, str], empty_database: str
) -> None:
    own = environment | {"AUTH_DATABASE_URL": empty_database}
    migrate(own)
    sql = await connect(empty_database)
    definitions = """
    SELECT indexdef FROM pg_indexes WHERE schemaname = 'public'
    UNION SELECT conname || pg_get_constraintdef(oid) FROM pg_constraint
    WHERE connamespace = 'public'::regnamespace
    ORDER BY 1
    """
    before = await sql.fetch(definitions)
    filled = await fill(own, SMALL, refreshed=10)
    assert await sql.fetch(definitions) == before
    assert len(set(filled.tokens)) == 10
    counts = await sql.fetchrow("SELECT (SELECT count(*) FROM accounts), (SELECT count(*) FROM sessions)")
    assert counts is not None
    assert tuple(counts) == (SMALL // SESSIONS_PER_ACCOUNT, SMALL)
    # Each session belongs to an account that exists.
    joined = "SELECT count(*) FROM sessions JOIN accounts ON accounts.id = account_id"
    assert await sql.fetchval(joined) == SMALL
    await sql.close()
