"""Start anew: remove the data of the embedded default, and nothing else that lies in its folder."""

import shutil
from pathlib import Path

from app.dev.processes import claimed

OWN = (
    *("postgres", "postgres.new", "postgres.log", "valkey", "valkey.log"),
    *("secret_keys", "secret_keys.new", "demo_password", "demo_password.pending", "demo_password.new", "env"),
)


def reset(folder: Path) -> None:
    """Remove the data. DevError while a start still uses it; processes of a killed start are stopped."""
    folder = folder.resolve()
    with claimed(folder):
        for path in (folder / name for name in OWN):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
