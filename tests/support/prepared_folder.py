"""A data folder as the first start leaves it: migrated databases and collected static files, made once for all servers of a run.

A first start takes three times the CPU time of the next one, and most tests are not about it.
"""

from __future__ import annotations

import atexit
import fcntl
import functools
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_VARIABLE = "GPUMON_TESTS_SHARED_FOLDER"
_MAKE = """
import django
django.setup()
from monitor.http.static_files import collect_if_outdated
from monitor.server.startup import prepare_server
prepare_server()
collect_if_outdated()
"""


def prepare(folder: Path) -> None:
    """Fill an empty folder. One that has a database, or that is not writable, stays as it is."""
    if not folder.is_dir() or any(folder.glob("*.sqlite3")) or not os.access(folder, os.W_OK):
        return
    made = prepared_folder()
    for path in made.iterdir():
        if path.is_dir():
            shutil.copytree(path, folder / path.name, copy_function=os.link, dirs_exist_ok=True)
        else:
            shutil.copy2(path, folder / path.name)


@functools.cache
def prepared_folder() -> Path:
    """The folder that is copied."""
    folder = shared_folder() / "prepared"
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            begun = folder.with_suffix(".begun")
            begun.mkdir(mode=0o700)
            clean = {name: value for name, value in os.environ.items() if not name.startswith("GPU_MONITOR_")}
            environment = {
                **clean,
                "GPU_MONITOR_DATA_DIR": str(begun),
                "DJANGO_SETTINGS_MODULE": "gpumon_site.settings",
            }
            subprocess.run([sys.executable, "-c", _MAKE], cwd=ROOT, env=environment, check=True)
            for path in (begun / "secret_key", *begun.glob("*.lock")):  # each installation has its own
                path.unlink(missing_ok=True)
            begun.rename(folder)
    return folder


def shared_folder() -> Path:
    """A folder for what the processes of one run share. The first process that asks makes it, and removes it at its end."""
    if _VARIABLE not in os.environ:
        made = tempfile.mkdtemp(prefix="gpumon-tests-")
        os.environ[_VARIABLE] = made
        atexit.register(shutil.rmtree, made, ignore_errors=True)
    return Path(os.environ[_VARIABLE])
