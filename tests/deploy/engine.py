"""The container engine of this host, if one is running."""

from __future__ import annotations

import shutil
import subprocess

QUESTIONS = {"docker": "version", "podman": "info"}
"""Commands that succeed only if the engine itself is running, not just its client."""


def answering_engine() -> str | None:
    """The path of docker or podman; None if neither is running."""
    for name, question in QUESTIONS.items():
        path = shutil.which(name)
        if path and subprocess.run([path, question], capture_output=True, timeout=60, check=False).returncode == 0:
            return path
    return None
