"""The failures of Redis, whichever client asks it."""


class RedisFailure(Exception):
    """Redis did not answer, or not as Redis does."""


class RedisRefusal(RedisFailure):
    """Redis answered a command with an error."""


FAILURES = (RedisFailure, OSError)
"""Time-outs are among them: ``TimeoutError`` is an ``OSError``."""
