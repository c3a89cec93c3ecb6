"""`manage.py serve` and bare daphne, as real processes."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import HTTPError

import pytest

from gpumon_site.config import BASE_DIR
from monitor.web.found import NOTHING
from tests.fakes.fake_driver import FakeDriver
from tests.servers import Server, wait_for

pytestmark = pytest.mark.slow


@pytest.fixture
def port() -> int:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        return int(unused.getsockname()[1])


@contextmanager
def started(arguments: list[str], data_dir: Path, port: int) -> Iterator[subprocess.Popen[str]]:
    variables = {
        "GPU_MONITOR_DATA_DIR": str(data_dir),
        "GPU_MONITOR_PORT": str(port),
        "GPU_MONITOR_TELEMETRY_PROVIDER": "simulated",
    }
    process = subprocess.Popen(
        [sys.executable, *arguments],
        cwd=BASE_DIR,
        env={**os.environ, **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def status_of(url: str, process: subprocess.Popen[str]) -> int:
    """The status of the first answer; waits while the server comes up."""
    deadline = time.monotonic() + 30
    while True:
        try:
            with urllib.request.urlopen(url, timeout=10) as response:
                return int(response.status)
        except HTTPError as error:
            error.close()
            return error.code
        except OSError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def test_serve_makes_the_database_prints_the_address_and_ends_at_sigterm(tmp_path: Path, port: int) -> None:
    with started(["manage.py", "serve"], tmp_path, port) as process:
        assert status_of(f"http://127.0.0.1:{port}/admin/login/", process) == 200
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=30)
    assert process.returncode == 0
    assert f"gpumon on http://127.0.0.1:{port}" in output.splitlines()
    assert (tmp_path / "gpumon.sqlite3").exists()


def test_a_taken_port_is_an_error_that_names_it(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with started(["manage.py", "serve"], tmp_path, port) as process:
            output, _ = process.communicate(timeout=30)
    assert process.returncode == 1
    assert f"cannot listen on 127.0.0.1 port {port}" in output


def test_daphne_alone_serves_pages_and_static_files(tmp_path: Path, port: int) -> None:
    command = ["-m", "daphne", "--port", str(port), "gpumon_site.asgi:application"]
    with started(command, tmp_path, port) as process:
        assert status_of(f"http://127.0.0.1:{port}/admin/login/", process) == 200
        assert status_of(f"http://127.0.0.1:{port}/static/django_htmx/htmx-4.min.js", process) == 200
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)
    assert process.returncode == 0


def server_log(server: Server, line: str) -> str:
    """All that has been written, once this line is among it."""
    return wait_for(lambda: server.log if line in server.log.splitlines() else None, line)


def test_serve_says_below_the_address_which_gpus_it_found(tmp_path: Path, fake_driver: FakeDriver) -> None:
    fake_driver.set({"gpu.*.name": "Fast Card", "gpu.2.name": "Slow Card"}, gpus=3)
    server = Server(tmp_path, fake_driver.env).start()
    try:
        lines = server_log(server, "gpumon: 3 GPUs by NVML: 2 × Fast Card, Slow Card").splitlines()
    finally:
        server.stop()
    assert lines.index(f"gpumon on {server.url}") < lines.index("gpumon: 3 GPUs by NVML: 2 × Fast Card, Slow Card")


def test_serve_says_that_it_found_none_and_the_log_why(tmp_path: Path, fake_driver: FakeDriver) -> None:
    fake_driver.set(init=9)
    server = Server(tmp_path, {**fake_driver.env, "PATH": "/nonexistent"}).start()
    try:
        log = server_log(server, f"gpumon: {NOTHING}")
    finally:
        server.stop()
    for reason in ("kernel module is not loaded", "`nvidia-smi` is not in PATH", "`nvtop` is not in PATH"):
        assert reason in log


def test_serve_waits_with_that_for_a_driver_that_hangs_and_serves_meanwhile(
    tmp_path: Path, fake_driver: FakeDriver
) -> None:
    fake_driver.set({"hang.nvmlInitWithFlags": 1}, gpus=1)
    server = Server(tmp_path, fake_driver.env, sampler_timeout_ms=500, poll_interval_ms=100).start()
    try:
        assert server.get("/")[0] == 200
        assert "gpumon: " not in server.log
        fake_driver.set({"hang.nvmlInitWithFlags": 0})
        wait_for(lambda: "gpumon: 1 GPU by NVML: " in server.log, "what was found")
    finally:
        server.stop()
