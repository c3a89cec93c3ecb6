"""Command line and environment of our child processes: they import our packages from any folder, and see no settings."""

from __future__ import annotations

import os
import site
import sys
from pathlib import Path

ROOT = str(Path(__file__).resolve().parents[2])
"""The folder of our packages: the checkout, or Python's own folder if they are installed."""
SETTINGS_PREFIX = "GPU_MONITOR_"


def command_of(module: str) -> tuple[str, ...]:
    """The command line of one of our modules. Without -P, Python would import a file monitor.py from the current folder."""
    return (sys.executable, "-P", "-m", module)


def environment() -> dict[str, str]:
    """The environment of a child process: ours, with the path of our packages if they are not installed.

    Without our settings, some of which are secrets (GPU_MONITOR_SECRET_KEY, GPU_MONITOR_ADMIN_PASSWORD): programs that a child
    starts would inherit them, and /proc shows them. Children receive what they need by stdin.
    """
    variables = {name: value for name, value in os.environ.items() if not name.upper().startswith(SETTINGS_PREFIX)}
    if ROOT not in {*site.getsitepackages(), site.getusersitepackages()}:
        known = variables.get("PYTHONPATH")
        variables["PYTHONPATH"] = os.pathsep.join([ROOT, known] if known else [ROOT])
    return variables
