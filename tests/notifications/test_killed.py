"""The process is killed between event and delivery, or during a delivery: no message is lost, and at most one is sent
twice. With real files and processes.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.prepared_folder import prepare
from tests.support.receivers import Receiver
from tests.support.servers import ROOT, wait_for

pytestmark = pytest.mark.slow


def environment_of(data_dir: Path) -> dict[str, str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("GPU_MONITOR_")}
    return {**clean, "GPU_MONITOR_DATA_DIR": str(data_dir)}


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with one event and one channel, written by a process that has since exited."""
    folder = tmp_path_factory.mktemp("written")
    prepare(folder)
    command = [sys.executable, "-m", "tests.notifications.notify", "fire"]
    subprocess.run(command, cwd=ROOT, env=environment_of(folder), check=True)
    return folder / "gpumon.sqlite3"


@pytest.fixture
def environment(written: Path, tmp_path: Path, receiver: Receiver) -> dict[str, str]:
    """A copy of that database, whose channel is the receiver."""
    copy = shutil.copy(written, tmp_path)
    with contextlib.closing(sqlite3.connect(copy)) as database, database:
        database.execute("UPDATE monitor_channel SET url = ?", (receiver.url,))
    return environment_of(tmp_path)


@pytest.fixture
def run(environment: dict[str, str]) -> Iterator[Callable[[], subprocess.Popen[bytes]]]:
    started: list[subprocess.Popen[bytes]] = []

    def start() -> subprocess.Popen[bytes]:
        started.append(
            subprocess.Popen([sys.executable, "-m", "tests.notifications.notify", "run"], cwd=ROOT, env=environment)
        )
        return started[-1]

    yield start
    for each in started:
        each.kill()
        each.wait()


def statuses(folder: Path) -> list[str]:
    database = sqlite3.connect(folder / "gpumon.sqlite3")
    try:
        return [status for (status,) in database.execute("select status from monitor_delivery")]
    finally:
        database.close()


def test_message_survives_a_kill_during_sending(
    receiver: Receiver, run: Callable[[], subprocess.Popen[bytes]], tmp_path: Path
) -> None:
    receiver.go_on.clear()
    first = run()
    receiver.wait_for(1)
    first.kill()
    first.wait()
    assert statuses(tmp_path) == ["sending"]

    receiver.go_on.set()
    run()
    requests = receiver.wait_for(2)
    wait_for(lambda: statuses(tmp_path) == ["sent"], "the message to be noted as sent")
    assert len({request.headers["webhook-id"] for request in requests}) == 1
    assert len(receiver.requests) == 2


def test_message_survives_a_kill_between_event_and_delivery(
    receiver: Receiver, run: Callable[[], subprocess.Popen[bytes]], tmp_path: Path
) -> None:
    assert receiver.requests == []
    run()
    receiver.wait_for(1)
    wait_for(lambda: statuses(tmp_path) == ["sent"], "the message to be noted as sent")
    assert len(receiver.requests) == 1


def test_locked_database_loses_no_message(
    receiver: Receiver, run: Callable[[], subprocess.Popen[bytes]], tmp_path: Path
) -> None:
    lock = sqlite3.connect(tmp_path / "gpumon.sqlite3", isolation_level=None)
    try:
        lock.execute("begin immediate")
        run()
        threading.Event().wait(1.5)
        assert receiver.requests == []
        lock.execute("rollback")
    finally:
        lock.close()
    receiver.wait_for(1)
