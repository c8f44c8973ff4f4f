"""Visitors: how the user agent of a request is shown to people."""

import asyncio
import re
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

# Odd texts take ten milliseconds and more. One thread keeps them out of the event loop, and leaves it most of
# the processor. The parser's cache, which is bounded, is made for one thread as well.
_parser = ThreadPoolExecutor(1, "user-agents")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._+-]{0,39}", re.ASCII)


def in_words(user_agent: str | None) -> str | None:
    """A user agent in words, such as ``Firefox on Linux``, or None when it is not recognised."""
    if user_agent is None:
        return None
    from ua_parser import parse_os, parse_user_agent  # noqa: PLC0415 - slow to load, and rarely needed

    found = (parse_user_agent(user_agent), parse_os(user_agent))
    # The parser takes some names from the text itself, so they may hold anything.
    names = [part.family for part in found if part is not None and _NAME.fullmatch(part.family)]
    return " on ".join(names) or None


async def each_in_words(user_agents: Iterable[str | None]) -> dict[str | None, str | None]:
    """The words for each of these user agents; callers take turns at each of them."""
    loop = asyncio.get_running_loop()
    return {
        agent: await loop.run_in_executor(_parser, in_words, agent) for agent in dict.fromkeys(user_agents)
    }
