"""``python -m app``, whose new password hashes cost next to nothing.

    python -m bench.cheap_hash serve

No setting allows that. Here it shows what a login costs apart from its hash. All else is as in production:
the hash is verified in a thread, and every budget is charged and cleared. Workers import this module too, as
it is the main module of the process that starts them.
"""

from dataclasses import replace

from app.cli.commands import main
from app.crypto.passwords import HashingPolicy, PasswordHasher
from bench.hash_costs import CHEAP

_original = PasswordHasher.__init__


def _with_cheap_hashes(hasher: PasswordHasher, policy: HashingPolicy) -> None:
    _original(hasher, replace(policy, memory_kib=CHEAP.memory_cost, time_cost=CHEAP.time_cost))


PasswordHasher.__init__ = _with_cheap_hashes  # type: ignore[assignment,method-assign] # in these processes only

if __name__ == "__main__":
    main()
