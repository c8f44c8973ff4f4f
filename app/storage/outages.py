"""What failures of every server have in common."""

from collections.abc import Callable
from typing import TypeAlias

ReadAgain: TypeAlias = Callable[[], str | None]
"""Returns the URL of a server that its file has now, or None: logins change while the service runs."""
_LONGEST_REASON = 500


def words(error: BaseException) -> str:
    """What the server or the system says, without the details, which may hold values of a row."""
    text = (str(error).strip().splitlines() or [""])[0]
    return text[:_LONGEST_REASON] or type(error).__name__
