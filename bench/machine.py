"""What is said of the machine beside figures: they mean little without it."""

import os
import platform
import re
from pathlib import Path

_HUGE_PAGES = Path("/sys/kernel/mm/transparent_hugepage/enabled")


def describe() -> str:
    """Return a line: processors, kernel, Python, and what decides how dear fresh memory is."""
    model = re.search(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    pages = re.search(r"\[(\w+)\]", _HUGE_PAGES.read_text()) if _HUGE_PAGES.exists() else None
    busy, _, _ = os.getloadavg()
    return (
        f"{len(os.sched_getaffinity(0))} cores ({model[1] if model else platform.machine()}), "
        f"Linux {platform.release()}, Python {platform.python_version()}, "
        f"transparent huge pages: {pages[1] if pages else 'none'}, load before the run: {busy:.1f}"
    )
