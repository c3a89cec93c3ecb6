"""SIGKILL in the middle of writing: the file is whole, and every tier has the same readings, without a hole."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections import deque
from contextlib import closing
from pathlib import Path

import pytest

from monitor.history import store
from monitor.history.tiers import MINUTES, SECONDS
from monitor.models import HistoryChunk, HistorySource
from tests.history.machines import BEGIN
from tests.support.servers import ROOT


@pytest.mark.slow
@pytest.mark.parametrize("minutes", [31, 48])
def test_killed_in_the_middle_of_writing(minutes: int, history: Path, tmp_path: Path) -> None:
    data_dir = tmp_path / "killed"
    data_dir.mkdir()
    shutil.copy(history, data_dir / "history.sqlite3")
    with subprocess.Popen(
        [sys.executable, "-m", "tests.history.recording"],
        cwd=ROOT,
        env={**os.environ, "GPU_MONITOR_DATA_DIR": str(data_dir)},
        stdout=subprocess.PIPE,
    ) as recording:
        assert recording.stdout is not None
        passed = [int(recording.stdout.readline()) for _each in range(minutes)]
        recording.send_signal(signal.SIGKILL)
    for path in data_dir.glob("history.sqlite3*"):
        shutil.copy(path, tmp_path / path.name)
    with closing(sqlite3.connect(history)) as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    deque(store.close_chunks(BEGIN + 1_000_000), maxlen=0)
    assert not HistoryChunk.objects.filter(is_open=True).exists()
    for key in ("host", "GPU-0", "GPU-1"):
        source = HistorySource.objects.filter(key=key).first()
        assert source is not None
        seconds = store.read(source.pk, SECONDS, 0, 1 << 40)
        assert seconds.starts == [*range(int(BEGIN) + 2, seconds.starts[-1] + 1, 2)]
        assert seconds.starts[-1] >= passed[-1] - 120
        minutes_of = store.read(source.pk, MINUTES, 0, 1 << 40)
        assert sum(minutes_of.seconds) == sum(seconds.seconds)
