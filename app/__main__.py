"""``python -m app``."""

import gc

gc.disable()  # While the program loads; `main` turns it on again.

from app.cli import main  # noqa: E402 - loaded without the collector

main()
