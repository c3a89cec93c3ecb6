"""The servers of the benchmark fit the project's classes: `make bench` takes an hour, and would be the first to notice."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bench.growth.row import Row
from tests.support.prepared_folder import prepare
from tests.support.servers import ROOT

ASK = """
import asyncio
from channels.testing import WebsocketCommunicator
from bench.ingest import app
from bench.feed_app import application

async def ask(path):
    socket = WebsocketCommunicator(application, path, headers=[(b"host", b"localhost"), (b"origin", b"http://localhost")])
    is_open, _ = await socket.connect()
    assert is_open, path
    print(len(await socket.receive_from(20)) > 100)
    await socket.disconnect()

for path in ("/ws/gpu", "/ws/dashboard"):
    asyncio.run(ask(path))
"""


@pytest.mark.slow
def test_servers_of_the_benchmark_send_messages(tmp_path: Path) -> None:
    prepare(tmp_path)
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "gpumon_site.settings",
        "GPU_MONITOR_DATA_DIR": str(tmp_path),
    }
    command = [sys.executable, "-c", ASK]
    ended = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (0, "True\nTrue\n"), ended.stderr


def test_growth_says_which_step_costs_more_than_its_size() -> None:
    row = Row("GPUs", "CPU of a tick, ms", {0: 1.0, 1: 2.0, 10: 20.0, 100: 2000.0})
    assert row.exponents == pytest.approx([None, 1.0, 2.0])
    assert row.cliffs == ["CPU of a tick, ms, from 10 to 100 GPUs: 2.00"]
