"""The key that signs sessions and forms: generated at the first start, kept in the data folder, readable by its owner only."""

from __future__ import annotations

import fcntl
import os
import secrets
from pathlib import Path

from monitor.private_file import open_private, reason_of

FILE_NAME = "secret_key"
_LENGTH = 64


def prepare_data_dir(data_dir: Path) -> None:
    """Create the data folder, accessible to its owner only. Exits with one line if that fails."""
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise SystemExit(_unusable(data_dir, error)) from None


def kept_secret_key(data_dir: Path) -> str:
    """The key of this data folder. Processes that start together get the same one.

    The file is created and filled under a lock: with O_EXCL instead, a second process could read it while it is still
    empty. A file left empty by a crash is filled at the next start.
    """
    path = data_dir / FILE_NAME
    try:
        with os.fdopen(open_private(path), "rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            key = file.read().decode(errors="replace").strip()
            if not key:
                key = secrets.token_urlsafe(_LENGTH)
                path.write_text(key + "\n", encoding="ascii")
            return key
    except OSError as error:
        raise SystemExit(_unusable(data_dir, error)) from None


def _unusable(data_dir: Path, error: OSError) -> str:
    return f"gpumon: GPU_MONITOR_DATA_DIR={data_dir} is invalid: must be a writable directory ({reason_of(error, data_dir)})"
