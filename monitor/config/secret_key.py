"""The key that signs sessions and forms: generated at the first start, kept in the data folder, readable by its owner only."""

from __future__ import annotations

import secrets
from pathlib import Path

from monitor.private_file import kept_line, reason_of

FILE_NAME = "secret_key"
_LENGTH = 64


def prepare_data_dir(data_dir: Path) -> None:
    """Create the data folder, accessible to its owner only. Exits with one line if that fails."""
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise SystemExit(unusable(data_dir, error)) from None


def kept_secret_key(data_dir: Path) -> str:
    """The key of this data folder. Processes that start together get the same one. Exits with one line if that fails."""
    try:
        return kept_line(data_dir / FILE_NAME, lambda: secrets.token_urlsafe(_LENGTH))
    except OSError as error:
        raise SystemExit(unusable(data_dir, error)) from None


def unusable(data_dir: Path, error: OSError) -> str:
    """Why the data folder cannot be used, as one line."""
    return f"gpumon: GPU_MONITOR_DATA_DIR={data_dir} is invalid: must be a writable directory ({reason_of(error, data_dir)})"
