"""Whether the time of a refused login tells if there is such an account.

    make bench-equal

200 refusals of each kind, in random order, one after another. The medians of two kinds differ by more than
the noise when they are further apart than those of 99 in 100 random divisions of the same samples.
"""

import asyncio
import random
import time
from itertools import combinations
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from uuid import uuid4

from bench.flood import UNLIMITED, login_of
from tests.support.connections import peer
from tests.support.database import connect
from tests.support.people import Person, new_person
from tests.support.servers import Service, migrate, private_pair

SAMPLES = 200
DIVISIONS = 2000


async def sampled(service: Service) -> dict[str, list[float]]:
    """Milliseconds of each refusal, by its kind."""
    sql = await connect(service.environment["AUTH_DATABASE_URL"])
    known, disabled = await new_person(sql), await new_person(sql)
    await sql.execute("UPDATE accounts SET enabled = false WHERE id = $1", disabled.id)
    await sql.close()
    kinds = {
        "unknown account": Person(uuid4(), f"{uuid4().hex}@example.com"),
        "wrong password": known,
        "disabled account": disabled,
    }
    found: dict[str, list[float]] = {kind: [] for kind in kinds}
    # The first ones are warm-up.
    order = [*kinds] * 5 + random.sample([*kinds] * SAMPLES, k=len(kinds) * SAMPLES)
    async with peer(service.port) as client:
        for kind in order:
            begun = time.perf_counter()
            await client.send(login_of(kinds[kind], "not the password at all"))
            assert (await client.outline())[0] == 401
            found[kind].append((time.perf_counter() - begun) * 1e3)
    return {kind: samples[5:] for kind, samples in found.items()}


def apart(samples: list[float], others: list[float]) -> float:
    """How far apart the medians are."""
    return abs(median(samples) - median(others))


def noise(samples: list[float], others: list[float]) -> float:
    """How far apart the medians of 99 in 100 random divisions are at most."""
    pooled = samples + others
    divided = [random.sample(pooled, k=len(pooled)) for _ in range(DIVISIONS)]
    distances = sorted(apart(mixed[: len(samples)], mixed[len(samples) :]) for mixed in divided)
    return distances[DIVISIONS * 99 // 100]


def main() -> None:
    """Run on servers of its own."""
    with TemporaryDirectory() as folder, private_pair() as pair:
        migrate(pair.environment)
        with Service(pair.environment | UNLIMITED, Path(folder)) as service:
            found = asyncio.run(sampled(service))
    for kind, samples in found.items():
        print(f"{kind:18} median {median(samples):7.3f} ms of {len(samples)}")
    for first, second in combinations(found, 2):
        distance, within = apart(found[first], found[second]), noise(found[first], found[second])
        verdict = "within the noise of" if distance <= within else "MORE than the noise of"
        print(f"{first} and {second}: {distance:.3f} ms apart, {verdict} {within:.3f} ms")


if __name__ == "__main__":
    main()
