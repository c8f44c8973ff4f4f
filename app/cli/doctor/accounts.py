"""``accounts``: accounts that cannot sign in, because no address leads to them."""

from collections.abc import Iterator, Sequence
from uuid import UUID

from app.cli.doctor.findings import Finding, counted, warning

_NAMED = 10


def check_addresses(unreachable: Sequence[UUID]) -> Iterator[Finding]:
    """Name the accounts with an invalid address, or one that leads to another account."""
    if unreachable:
        more = " and more" if len(unreachable) > _NAMED else ""
        number = counted(len(unreachable), "account")
        yield warning(
            "accounts",
            f"No address leads to {number}: it is not valid, or also that of another account. Look at each "
            "with users show; give it another address, or delete it: "
            f"{', '.join(map(str, unreachable[:_NAMED]))}{more}.",
        )
