"""Sets up Python for a program: its search path for packages, its standard streams, its garbage collector."""

from __future__ import annotations

import errno
import gc
import os
import sys
from collections.abc import Callable

_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO}
COLLECT_AFTER = 100_000
"""Objects for gc.set_threshold. Loading Django makes 200,000 that stay; with Python's 700, looking at them again and again takes
a sixth of the start. A server sets its own limit when all is loaded."""
NOT_WRITTEN = 2
"""The exit status of a command whose output could not be written."""


def prepare() -> None:
    """Call this before importing packages from outside. A second call changes nothing."""
    prefer_own_packages()
    open_streams()
    gc.set_threshold(COLLECT_AFTER)


def prefer_own_packages() -> None:
    """In a virtualenv, import its packages before those in PYTHONPATH.

    On clusters, environment modules set PYTHONPATH to other programs' packages, often older ones of the same names.
    """
    if sys.prefix == sys.base_prefix:
        return
    given = {os.path.abspath(each) for each in os.environ.get("PYTHONPATH", "").split(os.pathsep) if each}  # noqa: PTH100
    first, *rest = sys.path  # the program's own folder stays in front
    sys.path[:] = [first, *sorted(rest, key=given.__contains__)]


def open_streams() -> None:
    """Replace closed standard streams, and write what their encoding lacks as \\uXXXX.

    A file or socket opened later would otherwise get the number of a closed stream, and receive what is printed.
    """
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:  # the lowest free number
        os.set_inheritable(descriptor, True)
    os.close(descriptor)
    for name, descriptor in (("stdout", 1), ("stderr", 2)):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(descriptor, "w", encoding="utf-8"))
        if hasattr(stream := getattr(sys, name), "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def run(command: Callable[[], int]) -> int:
    """The exit status of a command. A reader that has gone (`… | head`) is not an error, and a full disk is one line."""
    try:
        try:
            return command()
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        _drop_output()
        return 0
    except OSError as error:
        if error.filename is not None or error.errno not in _NO_ROOM:
            raise
        _drop_output()
        print(f"Cannot write the output: {error.strerror}.", file=sys.stderr)  # noqa: T201
        return NOT_WRITTEN


def _drop_output() -> None:
    """Python would report the error again when it exits."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
