"""The journal of the database: a write-ahead log where it works, else a rollback journal and a warning."""

from __future__ import annotations

import contextlib
import logging
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from monitor.sqlite.journal import choose_journal
from tests.support.servers import ROOT

FAKE = ROOT / "tests" / "fakes" / "no_shared_memory.c"
CHOOSE = (
    "import pathlib, sqlite3, sys; from monitor.sqlite.journal import choose_journal\n"
    "path = pathlib.Path(sys.argv[1]); choose_journal(path)\n"
    "print(*sqlite3.connect(path).execute('SELECT count(*) FROM kept').fetchone())"
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    with contextlib.closing(sqlite3.connect(tmp_path / "gpumon.sqlite3")) as database:
        database.execute("CREATE TABLE kept AS SELECT 1 AS x")
        database.commit()
    return tmp_path / "gpumon.sqlite3"


def journal_of(path: Path) -> str:
    with contextlib.closing(sqlite3.connect(path)) as database:
        return str(database.execute("PRAGMA journal_mode").fetchone()[0])


def test_write_ahead_log_is_used_where_it_works(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        choose_journal(path)
    assert journal_of(path) == "wal"
    assert caplog.text == ""


@pytest.mark.slow
@pytest.mark.parametrize("before", ["delete", "wal"])
def test_file_system_without_shared_memory_gets_a_rollback_journal(path: Path, before: str) -> None:
    """Also for a database that comes from another disk, with a write-ahead log."""
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.execute(f"PRAGMA journal_mode = {before}")
    library = path.with_name("no_shared_memory.so")
    subprocess.run(["gcc", "-shared", "-fPIC", "-Wall", "-Werror", "-o", library, FAKE, "-ldl"], check=True)
    ended = subprocess.run(
        [sys.executable, "-c", CHOOSE, str(path)],
        cwd=ROOT,
        env={**os.environ, "LD_PRELOAD": str(library)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.stdout == "1\n", ended.stderr
    assert "has no shared memory (SQLITE_IOERR_SHMMAP)" in ended.stderr
    assert journal_of(path) == "delete"


def test_full_disk_is_no_reason_to_change_the_journal(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    error = sqlite3.OperationalError("disk I/O error")
    error.sqlite_errorname = "SQLITE_IOERR_SHMSIZE"

    def failing(*_args: object, **_how: object) -> None:
        raise error

    monkeypatch.setattr("monitor.sqlite.journal.is_full", lambda _: True)
    monkeypatch.setattr(sqlite3, "connect", failing)
    with pytest.raises(sqlite3.OperationalError):
        choose_journal(path)
