"""To be imported before all else: what a worker of pytest-xdist loads is not traced.

pytest-cov starts a first measurement in each worker, which nobody reads. Loading would take it twice as long,
and it would go on whenever the second measurement pauses.
"""

import os

from coverage import Coverage

if "PYTEST_XDIST_WORKER" in os.environ and (unread := Coverage.current()):
    unread.stop()
