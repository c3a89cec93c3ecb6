"""Chooses SQLite's journal: a write-ahead log, or a rollback journal on file systems where the log cannot work."""

from __future__ import annotations

import contextlib
import logging
import sqlite3
from pathlib import Path

from monitor.private_file import is_full

log = logging.getLogger(__name__)


def choose_journal(database: Path, *, shrinks: bool = False) -> None:
    """Set the journal of a database, which is part of the file. Raises sqlite3.Error and OSError.

    `shrinks`: a new file can later return free pages to the disk (https://www.sqlite.org/pragma.html#pragma_auto_vacuum). This has
    to be chosen before anything is written.

    With a write-ahead log, readers and the writer do not wait for each other. It requires shared memory, which 9p, many FUSE and
    many network file systems do not have (https://www.sqlite.org/wal.html).
    """
    try:
        with contextlib.closing(sqlite3.connect(database, timeout=20)) as opened:
            if shrinks:
                opened.execute("PRAGMA auto_vacuum = INCREMENTAL")
            (mode,) = opened.execute("PRAGMA journal_mode = WAL").fetchone()
            opened.execute("SELECT count(*) FROM sqlite_schema").fetchone()  # only now is the shared memory mapped
        if mode == "wal":
            return
        reason = "WAL is not supported"
    except sqlite3.OperationalError as error:
        if not error.sqlite_errorname.startswith("SQLITE_IOERR_SHM") or is_full(database.parent):
            raise
        reason = error.sqlite_errorname
        with contextlib.closing(sqlite3.connect(database, timeout=20)) as opened:
            # In exclusive mode SQLite needs no shared memory, so it can also convert a database that came from another disk.
            opened.execute("PRAGMA locking_mode = EXCLUSIVE")
            opened.execute("PRAGMA journal_mode = DELETE")
    log.warning(
        "the file system of %s has no shared memory (%s), so the database uses a rollback journal: requests can wait for each "
        "other; a local disk is faster",
        database.parent,
        reason,
    )
