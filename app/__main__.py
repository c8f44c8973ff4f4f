"""``python -m app``."""

import gc

gc.disable()  # Nothing that is loaded becomes garbage. `main` enables it again.

from app.cli import main  # noqa: E402 - imported without garbage collection

main()
