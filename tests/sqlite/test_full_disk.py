"""A full disk: SQLite gets ENOSPC for each write that would enlarge a database file. A real small disk would need the right to
mount one, which few containers have.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.prepared_folder import prepare
from tests.support.servers import ROOT

pytestmark = pytest.mark.slow
FAKE = ROOT / "tests" / "fakes" / "full_disk.c"


class Host:
    """A process with recorder and alert engine, and the disk that it writes to."""

    def __init__(self, process: subprocess.Popen[str], full: Path) -> None:
        self._process = process
        self.full = full
        """While this file exists, the disk is full."""

    def passes(self, seconds: int, *, temperature: int) -> dict[str, Any]:
        """Move the clock of the host on; returns its state afterwards."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{seconds} {temperature}\n")
        self._process.stdin.flush()
        found: dict[str, Any] = json.loads(self._process.stdout.readline())
        return found


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    library, data_dir, full = tmp_path / "full_disk.so", tmp_path / "data", tmp_path / "full"
    subprocess.run(["gcc", "-shared", "-fPIC", "-Wall", "-Werror", "-o", library, FAKE, "-ldl"], check=True)
    data_dir.mkdir()
    prepare(data_dir)
    environment = {"GPU_MONITOR_DATA_DIR": str(data_dir), "FULL_DISK": str(full), "LD_PRELOAD": str(library)}
    with subprocess.Popen(
        [sys.executable, "-m", "tests.sqlite.recording_host"],
        cwd=ROOT,
        env={**os.environ, **environment},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        yield Host(process, full)


def test_alerts_go_on_while_the_disk_is_full_and_nothing_is_lost(host: Host) -> None:
    before = host.passes(70, temperature=60)
    assert (before["history"], before["alerts"], before["shown"]) == (None, None, [])
    assert before["stored_seconds"] > 50
    host.full.touch()
    during = host.passes(100, temperature=95)
    assert during["history"] == "readings cannot be stored now, and wait (database or disk is full)"
    assert during["alerts"].startswith("alerts cannot be saved now; they are saved later, in order")
    assert [text.startswith("GPU 0 reached 95") for text in during["shown"]] == [True]
    assert (during["stored_seconds"], during["saved"]) == (before["stored_seconds"], [])
    host.full.unlink()
    after = host.passes(70, temperature=60)
    assert (after["history"], after["alerts"], after["shown"]) == (None, None, [])
    assert after["stored_seconds"] > 160
    assert after["saved"] == ["resolved"]
