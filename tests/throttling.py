"""Failures that were counted, moved into the past instead of waiting for them to be."""

import redis

PREFIX = "{watchword}:throttling:"


def age(redis_url: str, seconds: float) -> None:
    """Let so much time pass for everything that was counted."""
    with redis.Redis.from_url(redis_url) as operator:
        for key in operator.scan_iter(f"{PREFIX}*"):
            entries = operator.lrange(key, 0, -1)
            left = operator.ttl(key) - int(seconds)
            operator.delete(key)
            if left > 0:
                operator.rpush(key, *(repr(float(entry) - seconds) for entry in entries))
                operator.expire(key, left)


def forget(redis_url: str) -> None:
    """Nothing was counted yet."""
    with redis.Redis.from_url(redis_url) as operator:
        for key in operator.scan_iter(f"{PREFIX}*"):
            operator.delete(key)


def counted(redis_url: str) -> dict[str, int]:
    """How many failures each budget holds within its longest window, by the budget's name and key."""
    with redis.Redis.from_url(redis_url) as operator:
        keys = [key.decode() for key in operator.scan_iter(f"{PREFIX}*")]
        lengths = {key.removeprefix(PREFIX): operator.llen(key) for key in keys}
    held: dict[str, int] = {}
    for key, length in lengths.items():
        budget = key.rsplit("/", 3)[0]
        held[budget] = max(held.get(budget, 0), length)
    return held
