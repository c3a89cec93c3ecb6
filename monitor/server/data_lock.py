"""One server per data folder: two would evaluate every alert twice and send each message twice."""

from __future__ import annotations

import fcntl
import logging
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import TextIO

log = logging.getLogger(__name__)

FILE_NAME = "server.lock"
WAIT_SECONDS = 12.0
"""During a restart the old server can still be shutting down: it saves the alerts' state and finishes messages in progress."""
_POLL_SECONDS = 0.1


class DataDirTaken(Exception):
    """Another server uses the data folder; the text says which."""


def lock_data_dir(
    data_dir: Path,
    *,
    wait_seconds: float = WAIT_SECONDS,
    monotonic: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> TextIO:
    """Lock a data folder until the returned file is closed; the kernel releases the lock however the process ends.

    Waits for another server to exit. Raises DataDirTaken if it does not in time, and OSError if the folder is not writable.
    Programs that this process starts do not inherit the lock; forks do.
    """
    descriptor = os.open(data_dir / FILE_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    file = os.fdopen(descriptor, "r+")
    deadline = monotonic() + wait_seconds
    has_logged = False
    while not _is_taken(file):
        if monotonic() >= deadline:
            holder = _holder(file)
            file.close()
            raise DataDirTaken(f"another server{holder} uses the data folder {data_dir}")
        if not has_logged:
            log.info("another server%s still uses %s; waiting up to %g s", _holder(file), data_dir, wait_seconds)
            has_logged = True
        sleep(_POLL_SECONDS)
    file.seek(0)
    file.truncate()
    file.write(f"{os.getpid()}\n")
    file.flush()
    return file


def _is_taken(file: TextIO) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _holder(file: TextIO) -> str:
    """` (process 123)`; empty if it has not written its PID yet."""
    file.seek(0)
    number = file.read(20).strip()
    return f" (process {number})" if number.isdecimal() else ""
