"""Programs of our own that run in processes of their own: they find our packages, whatever lies in the current folder."""

from __future__ import annotations

import os
import site
import sys
from pathlib import Path

ROOT = str(Path(__file__).resolve().parents[2])
"""The folder that holds our packages: the checkout, or Python's own for what is installed."""


def command_of(module: str) -> tuple[str, ...]:
    """Runs a module of ours. Without -P, Python would look for it in the current folder first: a file monitor.py is enough."""
    return (sys.executable, "-P", "-m", module)


def environment() -> dict[str, str]:
    """Our own, with our packages to be found where they are not installed."""
    if ROOT in {*site.getsitepackages(), site.getusersitepackages()}:
        return dict(os.environ)
    known = os.environ.get("PYTHONPATH")
    return {**os.environ, "PYTHONPATH": os.pathsep.join([ROOT, known] if known else [ROOT])}
