"""``python -m app``."""

import gc
import signal
import sys

if sys.version_info < (3, 11):  # noqa: UP036 - an older Python prints this line, and no traceback
    sys.exit("Watchword needs Python 3.11 or newer; with make: make run PYTHON=python3.13")
gc.disable()  # Nothing that is loaded becomes garbage. `main` enables it again.
if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    # Nothing is begun yet, so Ctrl-C ends the process without a traceback. `main` sets the handler again.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
if sys.argv[1:2] == ["serve"]:
    # There is no worker to replace yet. The parent of the workers sets its handler.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)

from app.cli.commands import main  # noqa: E402 - imported without garbage collection

main()
