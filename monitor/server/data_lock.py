"""One server per data folder: two would evaluate every alert twice and send each message twice."""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from monitor.private_file import open_private

log = logging.getLogger(__name__)

FILE_NAME = "server.lock"
WAIT_SECONDS = 30.0
"""During a restart the old server can still be shutting down: it saves the alerts' state and finishes messages in progress. And a
server started a moment earlier can be migrating the database on a slow machine."""
_POLL_SECONDS = 0.1


class DataDirTaken(Exception):
    """Another server uses the data folder; the text says which."""


def lock_data_dir(
    data_dir: Path,
    *,
    wait_seconds: float = WAIT_SECONDS,
    monotonic: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> BinaryIO:
    """Lock a data folder until the returned file is closed; the kernel releases the lock however the process ends.

    Waits for another server to exit. Raises DataDirTaken if it does not in time, and OSError if the folder is not writable or
    its file system has no locks. Programs that this process starts do not inherit the lock; forks do.
    """
    path = data_dir / FILE_NAME
    file = os.fdopen(open_private(path), "rb", buffering=0)
    try:
        _wait_for(file, data_dir, wait_seconds, monotonic, sleep)
        with contextlib.suppress(PermissionError):  # another user's lock file can be locked, but not written
            path.write_text(f"{os.getpid()}\n", encoding="ascii")
    except BaseException:
        file.close()
        raise
    return file


def is_served(data_dir: Path) -> bool:
    """Whether a server uses this data folder now. Changes nothing, and creates no file."""
    try:
        with (data_dir / FILE_NAME).open("rb") as file:
            return not _has_locked(file)
    except FileNotFoundError:
        return False


def _wait_for(
    file: BinaryIO,
    data_dir: Path,
    wait_seconds: float,
    monotonic: Callable[[], float],
    sleep: Callable[[float], None],
) -> None:
    deadline = monotonic() + wait_seconds
    has_logged = False
    while not _has_locked(file):
        if monotonic() >= deadline:
            raise DataDirTaken(f"another server{_holder(file)} uses the data folder {data_dir}")
        if not has_logged:
            log.info("another server%s still uses %s; waiting up to %g s", _holder(file), data_dir, wait_seconds)
            has_logged = True
        sleep(_POLL_SECONDS)


def _has_locked(file: BinaryIO) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _holder(file: BinaryIO) -> str:
    """` (process 123)`; empty if it has not written its PID yet."""
    file.seek(0)
    number = file.read(20).strip()
    return f" (process {number.decode()})" if number.isdigit() else ""
