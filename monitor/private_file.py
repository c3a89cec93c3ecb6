"""Opens files of the data folder: only their owner can read them, and they belong to the folder's owner, even if root made them."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import functools
import logging
import os
from collections.abc import Callable
from pathlib import Path

log = logging.getLogger(__name__)

_NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP}
_FULL = {errno.ENOSPC, errno.EDQUOT}
_LEAST_FREE_BYTES = 64 * 1024


def open_private(path: Path) -> int:
    """A descriptor to read and write the file, or to read it if this process cannot write it. A missing file is created.

    A command that root ran once must not leave a file that the server cannot open. Raises OSError.
    """
    with contextlib.suppress(FileExistsError):
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        if (owner := _owner_of_new(path)) is not None:
            os.fchown(descriptor, *owner)
        return descriptor
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except OSError as error:
        if error.errno not in (errno.EACCES, errno.EROFS):
            raise
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    make_private(path)
    return descriptor


def kept_line(path: Path, make: Callable[[], str]) -> str:
    """The one line of this file. If the file is missing or empty, `make` is called and its result written. Raises OSError.

    Processes that start together get the same line. The file is created and filled under a lock: with O_EXCL instead, a second
    process could read it while it is still empty. A file left empty by a crash is filled at the next start.
    """
    with os.fdopen(open_private(path), "rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        line = file.read().decode(errors="replace").strip()
        if not line:
            line = make()
            path.write_text(line + "\n", encoding="ascii")
        return line


def give_to_owner_of_folder(path: Path) -> None:
    """What root has just created in another user's folder becomes that user's. Links are not followed. Raises OSError."""
    if (owner := _owner_of_new(path)) is not None:
        os.chown(path, *owner, follow_symlinks=False)


def _owner_of_new(path: Path) -> tuple[int, int] | None:
    """User and group to give a new file to; None to leave it."""
    folder = path.parent.stat()
    return (folder.st_uid, folder.st_gid) if os.geteuid() == 0 and folder.st_uid != 0 else None


def make_private(path: Path) -> None:
    """Close an existing file to other users. If that is not permitted, a warning says what to do.

    The owner is compared with the folder's: otherwise a link in another user's folder could make root close a file elsewhere.
    """
    found = path.stat()
    if not found.st_mode & 0o077:
        return
    try:
        if found.st_uid != path.parent.stat().st_uid:
            raise PermissionError(errno.EPERM, "it belongs to another user than its folder", str(path))
        path.chmod(0o600)
    except PermissionError:
        _warn_once(
            f"{path} is open to other users (mode {found.st_mode & 0o777:o}) and belongs to user {found.st_uid}, so its mode is "
            "not changed; to close it, run `chmod 600` on it as that user"
        )


@functools.cache
def _warn_once(message: str) -> None:
    log.warning("%s", message)


def reason_of(error: OSError, path: Path) -> str:
    """Why a file or folder at this path is unusable, and how to fix that, in one sentence."""
    folder = path if path.is_dir() else path.parent
    if error.errno in _NO_LOCKS:
        return f"the file system of {folder} has no file locks ({error.strerror}); use a local disk, or mount it with locks"
    if error.errno in _FULL or (error.errno == errno.EIO and is_full(folder)):
        return f"the disk of {folder} is full; free some space on it"
    if error.errno == errno.EROFS:
        return f"{folder} is on a read-only file system"
    if error.errno in (errno.EACCES, errno.EPERM):
        return f"this process cannot write it: {owner_of(_nearest(Path(error.filename or path)))}"
    return f"{error.strerror}: {error.filename or path}"


def owner_of(path: Path) -> str:
    """Who owns a file or folder, and who this process is."""
    found = path.stat()
    return (
        f"{path} belongs to user {found.st_uid}, group {found.st_gid} (mode {found.st_mode & 0o777:o}), and this process is "
        f"user {os.geteuid()}, group {os.getegid()}"
    )


def is_full(folder: Path) -> bool:
    """Whether a file system has no room left, for data or for further files."""
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize < _LEAST_FREE_BYTES or (found.f_files > 0 and found.f_favail == 0)


def _nearest(path: Path) -> Path:
    """The path, or the nearest folder above it that can be looked at."""
    for each in (path, *path.parents):
        with contextlib.suppress(OSError):
            each.stat()
            return each
    return Path("/")
