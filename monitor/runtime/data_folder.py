"""The stage that watches the files this process holds open or has read: a deleted or replaced file is not noticed otherwise.

A connection goes on in a deleted database (monitor/sqlite/base.py connects again), a lock on a deleted file keeps no other server
away, and sessions signed with a deleted key end at the next start.
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
from pathlib import Path

from monitor.http.static_files import STAMP
from monitor.private_file import is_full
from monitor.telemetry.schema import Snapshot

log = logging.getLogger(__name__)

POLL_SECONDS = 2.0
DATABASE = "gpumon.sqlite3"
HISTORY = "history.sqlite3"
"""The recorder begins a new one if it is lost."""
DATABASES = (DATABASE, HISTORY)
CONSEQUENCES = {
    "server.lock": "another server could start with this folder; restart gpumon",
    "secret_key": "the next start makes a new one, and everyone has to log in again",  # nosec  # pragma: allowlist secret
    "initialized": "the next start does not notice if the database is lost; restart gpumon",
    "initialized-postgresql": "the next start does not notice if the tables in PostgreSQL are lost; restart gpumon",
}
"""What follows if one of the other files is deleted or replaced, by name."""

Identity = tuple[int, int]
"""Device and inode."""


class DataFolder:
    """Looks at the folder in a thread of its own, because a network file system can hang."""

    name = "data"

    def __init__(
        self,
        folder: Path,
        *,
        static_root: Path | None = None,
        databases: tuple[str, ...] = DATABASES,
        poll_seconds: float = POLL_SECONDS,
    ) -> None:
        """`static_root`: the collected static files, in this folder or another. `databases`: the files of those in use."""
        self._folder = folder
        self._databases = databases
        self._static_stamp = (static_root or folder / "static") / STAMP
        self._has_static_files = False
        self._poll_seconds = poll_seconds
        self._known: dict[str, Identity] = {}
        """The files that existed at the start."""
        self._problem: str | None = None
        self._is_stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="data folder", daemon=True)

    def start(self) -> None:
        """Note which files there are, and begin to watch them."""
        self.note_files()
        self._thread.start()

    def take(self, snapshot: Snapshot) -> None:
        """Files do not depend on readings."""

    def stop(self) -> None:
        """There is nothing to save, and a hanging file system is not waited for."""
        self._is_stopping.set()

    @property
    def problem(self) -> str | None:
        return self._problem

    def note_files(self) -> None:
        """Remember the files that are there now."""
        for name in (*self._databases, *CONSEQUENCES):
            if (identity := _identity(self._folder / name)) is not None:
                self._known[name] = identity
        self._has_static_files = self._static_stamp.exists()

    def look(self) -> None:
        """Compare the files with those at the start, and note what is wrong."""
        problem = "; ".join(self._wrong()) or None
        if problem is not None and problem != self._problem:
            log.error("%s", problem)
        elif problem is None and self._problem is not None:
            log.info("recovered: the files in %s", self._folder)
        self._problem = problem

    def _run(self) -> None:
        while not self._is_stopping.wait(self._poll_seconds):
            try:
                self.look()
            except OSError as error:
                self._problem = f"{self._folder} cannot be read ({error.strerror})"

    def _wrong(self) -> list[str]:
        if not self._folder.is_dir():
            return [f"the data folder {self._folder} is missing; put it back, or restart gpumon"]
        wrong = []
        if is_full(self._folder):
            wrong.append(f"the disk of {self._folder} is full; free some space on it")
        elif os.statvfs(self._folder).f_flag & os.ST_RDONLY:
            wrong.append(f"{self._folder} is on a read-only file system")
        if self._has_static_files and not self._static_stamp.exists():
            wrong.append(
                f"the static files in {self._static_stamp.parent} were deleted; restart gpumon to collect them again"
            )
        for name, identity in [*self._known.items()]:
            path = self._folder / name
            now = _identity(path)
            if now == identity:
                continue
            if name == HISTORY:
                log.warning("the stored history %s was %s", path, "deleted" if now is None else "replaced")
                self._known.pop(name) if now is None else self._known.update({name: now})
            elif name != DATABASE:
                state = "was deleted" if now is None else "was replaced"
                wrong.append(f"{path} {state}: {CONSEQUENCES[name]}")
            elif now is None:
                wrong.append(f"the database {path} was deleted; put it back, or stop gpumon and restore a backup")
            else:
                log.warning("the database %s was replaced; it is used from now on", path)
                self._known[name] = now
        return wrong


def _identity(path: Path) -> Identity | None:
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        found = path.stat()
        return found.st_dev, found.st_ino
    return None
