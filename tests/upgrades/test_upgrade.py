"""Startup with a data folder: one server at a time, serialized migrations, and data of later versions unchanged."""

from __future__ import annotations

import contextlib
import functools
import os
import re
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings
from django.test import override_settings

from monitor.server import startup
from monitor.server.data_lock import DataDirTaken, lock_data_dir
from monitor.server.startup import CannotStart
from monitor.sqlite.initialized import is_initialized
from monitor.version import __version__
from tests.support.servers import ROOT, Server, wait_for
from tests.upgrades.dump import DATABASE, count


class Clock:
    """A clock that advances only during sleeps."""

    def __init__(self) -> None:
        self.now = 0.0
        self.at_each = [lambda: None]

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.at_each[0]()


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    return tmp_path / "data"


def test_second_server_waits_and_names_the_process_that_uses_the_folder(data_dir: Path) -> None:
    clock = Clock()
    with lock_data_dir(data_dir), pytest.raises(DataDirTaken, match=rf"process {os.getpid()}\) uses .*{data_dir}"):
        lock_data_dir(data_dir, wait_seconds=7, monotonic=clock.monotonic, sleep=clock.sleep)
    assert 7 <= clock.now < 8


def test_waiting_server_gets_the_folder_when_the_other_exits(data_dir: Path) -> None:
    clock = Clock()
    first = lock_data_dir(data_dir)
    clock.at_each[0] = lambda: first.close() if clock.now >= 3 else None
    with lock_data_dir(data_dir, wait_seconds=7, monotonic=clock.monotonic, sleep=clock.sleep):
        assert 3 <= clock.now < 4


def test_lock_ends_with_its_owner_and_is_not_inherited_by_child_processes(data_dir: Path) -> None:
    script = (
        "import pathlib, subprocess, sys, time; from monitor.server.data_lock import lock_data_dir\n"
        "lock = lock_data_dir(pathlib.Path(sys.argv[1])); child = subprocess.Popen(['sleep', '60'], stdout=2)\n"
        "print(child.pid, flush=True); time.sleep(60)"
    )
    command = [sys.executable, "-c", script, str(data_dir)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        child = int(owner.stdout.readline())
        try:
            owner.kill()
            owner.wait()
            lock_data_dir(data_dir, wait_seconds=0).close()
        finally:
            os.kill(child, signal.SIGKILL)


@pytest.mark.slow
@pytest.mark.parametrize(
    "command",
    [
        pytest.param(["manage.py", "serve"], id="serve"),
        pytest.param(["-m", "daphne", "-p", "{port}", "gpumon_site.asgi:application"], id="daphne"),
        pytest.param(["-m", "uvicorn", "--port", "{port}", "gpumon_site.asgi:application"], id="uvicorn"),
    ],
)
def test_server_refuses_the_database_of_a_later_version_in_one_line_without_changing_it(
    tmp_path: Path, command: list[str]
) -> None:
    server = Server(tmp_path, command=[sys.executable, *command])
    shutil.rmtree(tmp_path / "static")
    with contextlib.closing(sqlite3.connect(tmp_path / DATABASE)) as database:
        database.execute(
            "INSERT INTO django_migrations (app, name, applied) VALUES ('monitor', '9999_later', '2036-01-01')"
        )
        database.commit()
    before = (tmp_path / DATABASE).read_bytes()
    with pytest.raises(AssertionError, match="ended at its start"):
        server.start()
    (line,) = server.log.splitlines()
    assert f"later version of gpumon: {__version__} does not have its migrations monitor.9999_later." in line
    assert "restore a backup" in line
    assert server.process is not None
    assert server.process.returncode == (1 if "serve" in command else 3)
    assert (tmp_path / DATABASE).read_bytes() == before
    assert not (tmp_path / "static").exists(), "the static files of the version that may still run were replaced"


@pytest.mark.slow
def test_migrate_refuses_the_database_of_a_later_version_too(tmp_path: Path) -> None:
    server = Server(tmp_path)
    with contextlib.closing(sqlite3.connect(tmp_path / DATABASE)) as database:
        database.execute("INSERT INTO django_migrations (app, name, applied) VALUES ('axes', '0001', '2036-01-01')")
        database.commit()
    with pytest.raises(AssertionError, match=r"does not have its migrations axes\.0001"):
        server.manage("migrate")


@pytest.mark.slow
def test_two_servers_started_together_serve_one_after_the_other(tmp_path: Path) -> None:
    """Neither finds a database: one creates it, and the other never sees it incomplete."""
    servers = [
        Server(tmp_path, is_first_start=True, telemetry_provider="simulated", simulated_gpus=1) for _ in range(2)
    ]
    for server in servers:
        server.launch()
    try:
        first = wait_for(lambda: next((server for server in servers if server.listens()), None), "one to listen")
        (second,) = (server for server in servers if server is not first)
        assert stat.S_IMODE((tmp_path / DATABASE).stat().st_mode) == 0o600
        assert first.process is not None
        waiting = rf"another server( \(process {first.process.pid}\))? still uses {tmp_path}; waiting"
        wait_for(lambda: re.search(waiting, second.log), "the other to say that it waits")
        assert not second.listens()
        assert first.stop() == 0
        wait_for(second.listens, "the other to follow")
        assert [server.log.count("migrating the database") for server in (first, second)] == [1, 0]
    finally:
        for server in servers:
            server.stop()


def test_server_that_waited_too_long_for_the_folder_does_not_start(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(startup, "lock_data_dir", functools.partial(lock_data_dir, wait_seconds=0))
    override = override_settings(GPU_MONITOR=settings.GPU_MONITOR.model_copy(update={"data_dir": data_dir}))
    with (
        lock_data_dir(data_dir),
        override,
        pytest.raises(CannotStart, match=r"Stop it first, or set GPU_MONITOR_DATA_DIR"),
    ):
        startup.prepare_server.__wrapped__()


@pytest.mark.slow
def test_file_that_is_no_database_aborts_startup_with_one_line(tmp_path: Path) -> None:
    (tmp_path / DATABASE).write_bytes(b"nothing of the kind" * 1000)
    server = Server(tmp_path, is_first_start=True)
    with pytest.raises(AssertionError, match="ended at its start"):
        server.start()
    (line,) = server.log.splitlines()
    assert f"the database {tmp_path / DATABASE} is damaged: file is not a database. Restore a backup" in line


@pytest.mark.slow
@pytest.mark.parametrize("how", ["emptied", "deleted"])
def test_lost_database_does_not_become_a_new_installation(tmp_path: Path, how: str) -> None:
    """Regression: a file of zero bytes was migrated in silence, and the log showed a link to create an administrator."""
    server = Server(tmp_path, auth="login")
    (tmp_path / DATABASE).unlink() if how == "deleted" else (tmp_path / DATABASE).write_bytes(b"")
    with pytest.raises(AssertionError, match="ended at its start"):
        server.start()
    (line,) = server.log.splitlines()
    assert ("is missing" if how == "deleted" else "is empty") in line
    assert "there was one before. Restore a backup (docs/upgrading.md); or, to start with a new one without" in line
    with pytest.raises(AssertionError, match="there was one before") as raised:
        server.manage("migrate")
    assert "Traceback" not in str(raised.value)
    (tmp_path / "initialized").unlink()
    server.manage("migrate", "auth", "0001")
    assert count(tmp_path / DATABASE, "auth_user") == 0


def test_failed_first_migration_does_not_count_as_a_lost_database(tmp_path: Path) -> None:
    """An empty file stays if the first start is interrupted."""
    (tmp_path / DATABASE).touch()
    assert not is_initialized(tmp_path / DATABASE)


@pytest.mark.slow
def test_commands_before_the_first_start_leave_nothing_that_others_can_read(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    server = Server(tmp_path, is_first_start=True)
    before = os.umask(0o022)
    try:
        server.manage("showmigrations")
        server.manage("migrate")
    finally:
        os.umask(before)
    assert {path.name: oct(path.stat().st_mode & 0o777) for path in tmp_path.iterdir() if path.is_file()} == (
        dict.fromkeys((DATABASE, "history.sqlite3", "initialized", "migrate.lock", "secret_key"), "0o600")
    )
