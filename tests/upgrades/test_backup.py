"""Backups are made while the server runs and restored while it is stopped; no file is overwritten or left incomplete."""

from __future__ import annotations

import contextlib
import os
import re
import sqlite3
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from monitor.management.sqlite_backup import (
    BadCopy,
    applied_migrations,
    check_whole,
    copy,
    refuse_special,
)
from monitor.sqlite.files import set_aside
from tests.support.servers import Server, wait_for
from tests.upgrades.dump import DATABASE, SCHEMAS, count, load


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """The database of the first release, which has no tables of gpumon."""
    load(SCHEMAS / "0.1.0.sql", tmp_path / DATABASE)
    return tmp_path / DATABASE


@contextlib.contextmanager
def written_to(database: Path) -> Iterator[sqlite3.Connection]:
    with contextlib.closing(sqlite3.connect(database)) as writer:
        writer.execute("PRAGMA journal_mode = WAL")
        yield writer


def test_backup_is_complete_includes_the_wal_and_is_readable_only_by_its_owner(database: Path, tmp_path: Path) -> None:
    with written_to(database) as writer:
        writer.execute("INSERT INTO auth_group (name) VALUES ('of the log')")
        writer.commit()
        copy(database, tmp_path / "copy")
        writer.execute("INSERT INTO auth_group (name) VALUES ('too late')")
        writer.commit()
    assert count(tmp_path / "copy", "auth_group") == 1
    assert stat.S_IMODE((tmp_path / "copy").stat().st_mode) == 0o600
    assert not [path for path in tmp_path.iterdir() if path.name.startswith((".", "copy-"))]


def test_backup_during_writes_has_only_whole_transactions(database: Path, tmp_path: Path) -> None:
    has_begun, is_over = threading.Event(), threading.Event()

    def write() -> None:
        with written_to(database) as writer:
            for number in range(100_000):
                if is_over.is_set():
                    return
                for half in "ab":
                    writer.execute("INSERT INTO auth_group (name) VALUES (?)", (f"{number}{half}",))
                writer.commit()
                has_begun.set()

    writing = threading.Thread(target=write)
    writing.start()
    try:
        assert has_begun.wait(20)
        for number in range(5):
            copy(database, tmp_path / f"copy{number}")
    finally:
        is_over.set()
        writing.join()
    counted = [count(tmp_path / f"copy{number}", "auth_group") for number in range(5)]
    assert counted == sorted(counted)
    assert counted[0] > 0
    assert [rows % 2 for rows in counted] == [0] * 5


def test_damaged_database_is_not_copied_and_the_previous_backup_stays(database: Path, tmp_path: Path) -> None:
    (tmp_path / "copy").write_text("from before")
    content = bytearray(database.read_bytes())
    content[4096 * 2 : 4096 * 3] = b"\xff" * 4096
    database.write_bytes(content)
    with pytest.raises((BadCopy, sqlite3.DatabaseError)):
        copy(database, tmp_path / "copy")
    assert (tmp_path / "copy").read_text() == "from before"
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_files_that_are_no_database_and_databases_of_other_programs_have_different_errors(
    tmp_path: Path, database: Path
) -> None:
    (tmp_path / "text").write_text("nothing of the kind" * 100)
    with pytest.raises(BadCopy, match="is not a readable SQLite database"):
        check_whole(tmp_path / "text")
    with contextlib.closing(sqlite3.connect(tmp_path / "other")) as other:
        other.execute("CREATE TABLE django_migrations (app, name)")
    with pytest.raises(BadCopy, match="not a database of gpumon"):
        applied_migrations(tmp_path / "other")
    assert ("auth", "0001_initial") in applied_migrations(database)


def test_setting_aside_moves_the_wal_too_and_overwrites_no_file(database: Path, tmp_path: Path) -> None:
    (tmp_path / f"{DATABASE}-wal").write_text("log")
    aside = set_aside(database, "aside")
    assert aside is not None
    assert aside.exists()
    assert (tmp_path / "aside-wal").read_text() == "log"
    assert not list(tmp_path.glob(f"{DATABASE}*"))
    assert set_aside(database, "aside") is None
    database.touch()
    with pytest.raises(FileExistsError):
        set_aside(database, "aside")
    assert database.exists()


@pytest.mark.parametrize("kind", ["link", "pipe", "directory"])
@pytest.mark.parametrize("force", [False, True])
def test_backup_replaces_regular_files_only(tmp_path: Path, kind: str, force: bool) -> None:
    """Regression: as root, `backup /dev/stdout --force` replaced the device."""
    file = tmp_path / "out"
    make = {"link": lambda: file.symlink_to("/dev/null"), "pipe": lambda: os.mkfifo(file), "directory": file.mkdir}
    make[kind]()
    mode = file.lstat().st_mode
    with pytest.raises(CommandError, match="must be a regular file, not a link, device, pipe or directory"):
        refuse_special(file)
    with pytest.raises(CommandError, match="must be a regular file") as raised:
        call_command("backup", str(file), force=force)
    assert "--force" not in str(raised.value)
    assert file.lstat().st_mode == mode


def test_restore_reads_regular_files_only(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "in")
    with pytest.raises(CommandError, match="must be a regular file"):
        call_command("restore", str(tmp_path / "in"))


@pytest.mark.parametrize("command", ["backup", "restore"])
def test_backup_commands_refuse_other_database_engines(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "vendor", "postgresql")
    with pytest.raises(CommandError, match="pg_dump"):
        call_command(command, str(tmp_path / "copy"))


@pytest.mark.slow
def test_backup_of_a_running_server_is_restored_after_it_stops_and_the_old_database_is_kept(
    tmp_path: Path,
) -> None:
    server = Server(tmp_path, telemetry_provider="simulated", simulated_gpus=1).start()
    backup = tmp_path / "backup.sqlite3"
    try:
        server.make_superuser()
        assert re.search(r"MiB, checked$", server.manage("backup", str(backup)).strip())
        with pytest.raises(AssertionError, match="already exists"):
            server.manage("backup", str(backup))
        server.manage("backup", "--force", str(backup))
        with pytest.raises(AssertionError, match="is the database itself"):
            server.manage("backup", "--force", str(tmp_path / DATABASE))
        server.make_superuser("second")
        with pytest.raises(
            AssertionError, match=r"nothing was restored: another server \(process \d+\) uses .*\. Stop it"
        ):
            server.manage("restore", str(backup))
    finally:
        server.stop()
    told = server.manage("restore", str(backup))
    aside = re.search(r"the old database is now (\S+)", told)
    assert aside is not None
    assert (count(tmp_path / DATABASE, "auth_user"), count(Path(aside[1]), "auth_user")) == (1, 2)
    assert stat.S_IMODE((tmp_path / DATABASE).stat().st_mode) == 0o600
    server.start()
    try:
        wait_for(lambda: server.health()["status"] == "ok", "the restored server's first reading")
    finally:
        server.stop()


@pytest.mark.slow
def test_backup_of_an_earlier_version_is_restored_and_one_of_a_later_version_refused(tmp_path: Path) -> None:
    server, backup = Server(tmp_path, is_first_start=True), tmp_path / "backup"
    load(SCHEMAS / "0.1.0.sql", backup)
    server.manage("restore", str(backup))
    server.manage("migrate")
    assert count(tmp_path / DATABASE, "monitor_alertrule") > 0
    with contextlib.closing(sqlite3.connect(backup)) as later:
        later.execute(
            "INSERT INTO django_migrations (app, name, applied) VALUES ('monitor', '9999_later', '2036-01-01')"
        )
        later.commit()
    with pytest.raises(
        AssertionError, match=r"from a later version .* does not have its migrations monitor\.9999_later"
    ):
        server.manage("restore", str(backup))
    assert count(tmp_path / DATABASE, "monitor_alertrule") > 0
