"""Reads small files that other programs write, and whose place may hold anything: a pipe, a device, a file without end."""

from __future__ import annotations

import os
import stat
from pathlib import Path


def read_bounded(path: Path, most_bytes: int) -> bytes | None:
    """The regular file; None if there is none that can be read, or if it is larger."""
    try:
        # Without O_NONBLOCK, opening a named pipe waits for its writer.
        file = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    except OSError:
        return None
    try:
        if not stat.S_ISREG(os.fstat(file).st_mode):
            return None
        with os.fdopen(file, "rb", closefd=False) as stream:
            data = stream.read(most_bytes + 1)
    except OSError:
        return None
    finally:
        os.close(file)
    return data if len(data) <= most_bytes else None
