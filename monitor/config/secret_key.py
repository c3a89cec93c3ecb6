"""The key that signs sessions and forms: generated at the first start, kept in the data folder, readable by its owner only."""

from __future__ import annotations

import fcntl
import os
import secrets
from pathlib import Path

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
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "r+") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            if os.fstat(descriptor).st_mode & 0o077:
                os.fchmod(descriptor, 0o600)
            key = file.read().strip()
            if not key:
                key = secrets.token_urlsafe(_LENGTH)
                file.write(key + "\n")
            return key
    except OSError as error:
        raise SystemExit(_unusable(data_dir, error)) from None


def _unusable(data_dir: Path, error: OSError) -> str:
    return f"gpumon: GPU_MONITOR_DATA_DIR={data_dir} is invalid: must be a writable directory ({error.strerror})"
