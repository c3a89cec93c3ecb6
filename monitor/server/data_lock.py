"""One server to a data folder: two of them would judge every alert twice and send each message twice."""

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
"""In a restart the old server may still be ending: it saves what its alerts remember and finishes messages under way."""
_LOOK_SECONDS = 0.1


class DataDirTaken(Exception):
    """Another server runs on the data folder; the text says which."""


def lock_data_dir(
    data_dir: Path,
    *,
    wait_seconds: float = WAIT_SECONDS,
    monotonic: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> TextIO:
    """Take a data folder for as long as the answer stays open; the kernel lets go of it however the process ends.

    Waits for another server to end; raises DataDirTaken when it has not in time, OSError where the folder cannot be
    written. Programs that this one starts do not inherit the lock, processes that it forks do.
    """
    descriptor = os.open(data_dir / FILE_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    file = os.fdopen(descriptor, "r+")
    give_up_at = monotonic() + wait_seconds
    has_told = False
    while not _is_taken(file):
        if monotonic() >= give_up_at:
            holder = _holder(file)
            file.close()
            raise DataDirTaken(f"another server{holder} runs on the data folder {data_dir}")
        if not has_told:
            log.info("another server%s still runs on %s: waiting up to %g s", _holder(file), data_dir, wait_seconds)
            has_told = True
        sleep(_LOOK_SECONDS)
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
    """` (process 123)`, for people; empty in the moment before it has written its number."""
    file.seek(0)
    number = file.read(20).strip()
    return f" (process {number})" if number.isdecimal() else ""
