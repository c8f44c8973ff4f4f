"""Names of variables that look like settings and are none."""

import re
from collections.abc import Collection, Mapping
from difflib import get_close_matches

# Kubernetes and Docker set these for a service whose name begins with our prefix, or with an address in them.
_LINK = re.compile(
    r"(\w+_)?(SERVICE_(HOST|PORT(_\w+)?)|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?|ENV_\w+|NAME)"
)
_LINK_ADDRESS = re.compile(r"(tcp|udp|sctp)://")
_SIMILAR = 0.6


def misspelt(environment: Mapping[str, str], prefix: str, known: Collection[str]) -> dict[str, str | None]:
    """The variables with this prefix that are no setting, each with the setting that it resembles."""
    names = {f"{name}{ending}" for name in known for ending in ("", "_FILE")}
    return {
        variable: next(iter(get_close_matches(variable, names, n=1, cutoff=_SIMILAR)), None)
        for variable, value in sorted(environment.items())
        if variable.startswith(prefix) and variable not in names and value.strip()
        if not _is_of_others(variable.removeprefix(prefix), value)
    }


def _is_of_others(name: str, value: str) -> bool:
    return name.startswith("TEST_") or bool(_LINK.fullmatch(name) or _LINK_ADDRESS.match(value))
