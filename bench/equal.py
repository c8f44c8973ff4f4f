"""Whether the response time of a refused login reveals if the account exists.

    make bench-equal

It measures 200 refusals of each kind, in random order, one after another: with accounts of the present cost
of hashing, and again after that cost was raised, when all accounts still have the former one.
The noise is the distance of medians that 99 in 100 random divisions of the same samples stay below. Two kinds
differ if theirs is larger.
"""

import asyncio
import random
import time
from itertools import combinations
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from uuid import uuid4

from bench.flood import login_of
from tests.support.connections import peer
from tests.support.database import connect
from tests.support.people import Person, new_person
from tests.support.servers import Service, migrate, private_pair

SAMPLES = 200
DIVISIONS = 2000
UNLIMITED = dict.fromkeys(
    ("AUTH_LOGIN_LIMIT_ACCOUNT", "AUTH_LOGIN_LIMIT_ADDRESS", "AUTH_LOGIN_LIMIT_GLOBAL", "AUTH_REFRESH_LIMIT"),
    "1000000/1",
)
RAISED = {"AUTH_PASSWORD_HASH_TIME_COST": "6"}


async def people(database_url: str) -> dict[str, Person]:
    """Return an account, or an address without one, for each kind of refusal."""
    sql = await connect(database_url)
    existing, disabled = await new_person(sql), await new_person(sql)
    await sql.execute("UPDATE accounts SET enabled = false WHERE id = $1", disabled.id)
    await sql.close()
    return {
        "unknown account": Person(uuid4(), f"{uuid4().hex}@example.com"),
        "wrong password": existing,
        "disabled account": disabled,
    }


async def sample(service: Service, kinds: dict[str, Person]) -> dict[str, list[float]]:
    """Return the milliseconds of each refusal, by its kind."""
    times: dict[str, list[float]] = {kind: [] for kind in kinds}
    # The first five of each kind warm up.
    order = [*kinds] * 5 + random.sample([*kinds] * SAMPLES, k=len(kinds) * SAMPLES)
    async with peer(service.port) as client:
        for kind in order:
            start = time.perf_counter()
            await client.send(login_of(kinds[kind], "not the password at all"))
            assert (await client.outline())[0] == 401
            times[kind].append((time.perf_counter() - start) * 1e3)
    return {kind: samples[5:] for kind, samples in times.items()}


def distance_between(samples: list[float], others: list[float]) -> float:
    """Return the distance between the medians."""
    return abs(median(samples) - median(others))


def noise(samples: list[float], others: list[float]) -> float:
    """Return the distance that the medians of 99 in 100 random divisions stay below."""
    pooled = samples + others
    divided = [random.sample(pooled, k=len(pooled)) for _ in range(DIVISIONS)]
    distances = sorted(distance_between(mixed[: len(samples)], mixed[len(samples) :]) for mixed in divided)
    return distances[DIVISIONS * 99 // 100]


def main() -> None:
    """Run on private servers."""
    with TemporaryDirectory() as folder, private_pair() as pair:
        migrate(pair.environment)
        kinds = asyncio.run(people(pair.environment["AUTH_DATABASE_URL"]))
        for title, settings in (("the present cost", {}), ("after the cost was raised", RAISED)):
            with Service(pair.environment | UNLIMITED | settings, Path(folder)) as service:
                times = asyncio.run(sample(service, kinds))
            print(f"{title}:")
            compare(times)


def compare(times: dict[str, list[float]]) -> None:
    """Print the medians, and whether they differ by more than the noise."""
    for kind, samples in times.items():
        print(f"{kind:18} median {median(samples):7.3f} ms of {len(samples)}")
    for first, second in combinations(times, 2):
        distance = distance_between(times[first], times[second])
        limit = noise(times[first], times[second])
        verdict = "within the noise of" if distance <= limit else "MORE than the noise of"
        print(f"{first} and {second}: {distance:.3f} ms apart, {verdict} {limit:.3f} ms")


if __name__ == "__main__":
    main()
