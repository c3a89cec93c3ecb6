"""Where static files are collected: in the data folder, or where GPU_MONITOR_STATIC_DIR says, for a web server to read."""

from __future__ import annotations

import os
from pathlib import Path


def static_root(static_dir: Path | None, data_dir: Path) -> Path:
    """The folder, made if it is given and not there; or the end of the start, with one line."""
    if static_dir is None:
        return data_dir / "static"
    try:
        static_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SystemExit(_unusable(static_dir, str(error.strerror))) from None
    # A lock beside it has servers that start together collect one after another (static_build.py).
    for folder in (static_dir, static_dir.parent):
        if not os.access(folder, os.W_OK | os.X_OK):
            raise SystemExit(_unusable(static_dir, f"{folder} cannot be written"))
    return static_dir


def _unusable(static_dir: Path, reason: str) -> str:
    return (
        f"gpumon: GPU_MONITOR_STATIC_DIR={static_dir} is wrong: it takes a folder that can be written, in a folder that can "
        f"be written ({reason})"
    )
