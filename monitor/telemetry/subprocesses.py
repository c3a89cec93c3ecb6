"""Command line and environment of our child processes: they import our packages from any folder, and see no settings."""

from __future__ import annotations

import os
import site
import sys
from pathlib import Path

import msgspec

ROOT = str(Path(__file__).resolve().parents[2])
"""The folder of our packages: the checkout, or Python's own folder if they are installed."""
SETTINGS_PREFIX = "GPU_MONITOR_"


def command_of(module: str) -> tuple[str, ...]:
    """The command line of one of our modules. Without -P, Python would import a file monitor.py from the current folder."""
    return (sys.executable, "-P", "-m", module)


def environment() -> dict[str, str]:
    """The environment of a child process: ours, with the path of our packages if they are not installed.

    Without our settings, some of which are secrets (GPU_MONITOR_SECRET_KEY, GPU_MONITOR_ADMIN_PASSWORD): programs that a child
    starts would inherit them, and /proc shows them. Children receive what they need by stdin. Without the folders of PYTHONPATH,
    which an environment module may have set for other programs, except those that our own dependencies come from.
    """
    variables = {name: value for name, value in os.environ.items() if not name.upper().startswith(SETTINGS_PREFIX)}
    given = variables.pop("PYTHONPATH", "")
    folders = [folder for folder in given.split(os.pathsep) if folder and _has_our_dependencies(folder)]
    if ROOT not in {*site.getsitepackages(), site.getusersitepackages()}:
        folders = [ROOT, *(folder for folder in folders if folder != ROOT)]
    if folders:
        variables["PYTHONPATH"] = os.pathsep.join(folders)
    return variables


def _has_our_dependencies(folder: str) -> bool:
    """Whether a package that every child imports is there: msgspec stands for all of them."""
    return Path(msgspec.__file__).parents[1] == Path(folder).resolve()
