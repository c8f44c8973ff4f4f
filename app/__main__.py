"""``python -m app``."""

import gc
import signal

gc.disable()  # Nothing that is loaded becomes garbage. `main` enables it again.
if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    # Nothing is begun yet, so Ctrl-C ends the process without a traceback. `main` sets the handler again.
    signal.signal(signal.SIGINT, signal.SIG_DFL)

from app.cli import main  # noqa: E402 - imported without garbage collection

main()
