"""The costs of the passwords' hashes: the default of the service, and the least that Argon2 takes."""

from argon2 import PasswordHasher

REAL = PasswordHasher(memory_cost=19_456, time_cost=2, parallelism=1)
CHEAP = PasswordHasher(memory_cost=8, time_cost=1, parallelism=1)
"""8 KiB and one pass."""
