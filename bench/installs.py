"""Programs that only benchmarks need: pinned, and installed beside the locked requirements."""

import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

PACKAGES: Mapping[str, tuple[str, ...]] = {
    "better-auth": ("better-auth@1.7.25", "@node-rs/argon2@2.2.1", "pg@8.23.1"),
    "simplejwt": (
        *("djangorestframework-simplejwt==5.5.1", "djangorestframework==3.18.3", "Django==5.2.19"),
        *("argon2-cffi==25.1.0", "psycopg[binary]==3.3.9", "gunicorn==27.0.1"),
    ),
    "fastapi-users": (
        *("fastapi-users[sqlalchemy]==15.0.5", "fastapi==0.165.0", "SQLAlchemy==2.0.58", "asyncpg==0.32.0"),
        *("pwdlib==0.3.0", "argon2-cffi==25.1.0", "uvicorn[standard]==0.54.0"),
    ),
    "py-spy": ("py-spy==0.4.3",),
}
FOLDER = Path(__file__).parents[1] / ".cache" / "bench"


def install(name: str) -> Path | None:
    """Return the folder with these programs, installed once; None where pip or npm cannot do it."""
    folder, packages = FOLDER / name, PACKAGES[name]
    stamp = folder / "installed.txt"
    wanted = "\n".join(packages)
    if stamp.exists() and stamp.read_text() == wanted:
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    print(f"installing {', '.join(packages)}", flush=True)
    commands = _with_npm(folder) if name == "better-auth" else _with_pip(folder)
    try:
        for command in commands:
            arguments = [*command, *packages] if command is commands[-1] else command
            subprocess.run(arguments, check=True, cwd=folder)  # noqa: S603 - programs of ours
    except (OSError, subprocess.CalledProcessError) as error:
        print(f"{name} is left out: {error}")
        return None
    stamp.write_text(wanted)
    return folder


def _with_npm(folder: Path) -> list[list[str]]:
    npm = shutil.which("npm") or "npm"
    return [
        [npm, "install", "--prefix", str(folder), "--no-audit", "--no-fund", "--ignore-scripts", "--silent"]
    ]


def _with_pip(folder: Path) -> list[list[str]]:
    python = str(folder / "bin" / "python")
    return [
        [sys.executable, "-m", "venv", str(folder)],
        [python, "-m", "pip", "install", "--quiet", "--quiet", "--disable-pip-version-check", "--no-input"],
    ]
