"""`gpumon free` and `gpumon wait` as a shell runs them, on the fake driver and against a server."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import msgspec
import pytest

from monitor.telemetry.free.choice import choose
from monitor.telemetry.free.wanted import Wanted
from tests.fakes.fake_driver import FakeDriver
from tests.management.answering import answering
from tests.support.servers import ROOT, free_port
from tests.support.snapshots import gpu, host

pytestmark = pytest.mark.slow

Start = Callable[..., "subprocess.Popen[str]"]
FIRST, SECOND = "GPU-00000000-0000-4000-8000-000000000000", "GPU-00000000-0000-4000-8000-000000000001"


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start the command in a folder without settings. No server answers on the port in its settings."""
    started: list[subprocess.Popen[str]] = []

    def run(*command: str, environment: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("GPU_MONITOR_", "GPUMON_"))}
        given = {"PYTHONPATH": str(ROOT), "GPU_MONITOR_PORT": str(free_port()), **(environment or {})}
        process = subprocess.Popen(
            [sys.executable, "-m", "gpumon_site.cli", *command],
            cwd=tmp_path,
            env={**clean, **given},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield run
    for process in started:
        process.kill()
        process.communicate()


def done(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    output, errors = process.communicate(timeout=60)
    return process.returncode, output, errors


def test_standard_output_is_exactly_the_value_of_the_variable(
    start: Start, fake_driver: FakeDriver, tmp_path: Path
) -> None:
    fake_driver.set({"gpu.*.utilization": 0, "gpu.0.uuid": FIRST, "gpu.1.uuid": SECOND, "gpu.2.processes": 1}, gpus=3)
    assert done(start("free", "--count", "2", environment=fake_driver.env)) == (0, f"{FIRST},{SECOND}\n", "")
    status, output, errors = done(start("free", "--count", "3", environment=fake_driver.env))
    assert (status, output, errors) == (1, "", "gpumon: Only 2 GPUs are free; 3 are wanted.\n")
    assert list(tmp_path.glob("*data*")) == [], "a user's question leaves no data folder"


def test_without_a_driver_the_status_is_2_and_says_why(start: Start, nothing_found: Mapping[str, str]) -> None:
    status, output, errors = done(start("free", environment=nothing_found))
    assert (status, output) == (2, "")
    assert "it is not known which GPUs are free: pynvml: " in errors


def test_server_is_asked_first_and_its_simulated_gpus_only_on_request(start: Start, fake_driver: FakeDriver) -> None:
    fake_driver.set({"gpu.*.utilization": 0, "gpu.0.uuid": FIRST}, gpus=1)
    real = msgspec.json.encode(choose(host(gpu(7, use="free")), Wanted(), {}))
    with answering(200, real) as server:
        ours = {**fake_driver.env, "GPU_MONITOR_PORT": server.url.rpartition(":")[2]}
        assert done(start("free", environment=ours)) == (0, "GPU-7\n", "")
        server.body = msgspec.json.encode(choose(host(gpu(7, use="free"), is_simulated=True), Wanted(), {}))
        assert done(start("free", environment=ours)) == (0, f"{FIRST}\n", "")
        assert done(start("free", "--server", server.url, environment=ours)) == (0, "GPU-7\n", "")
        server.status, server.body = 401, b'{"error": "Log in."}'
        status, output, errors = done(start("free", environment=ours))
        assert (status, output) == (0, f"{FIRST}\n")
        assert "Log in. (GPUMON_TOKEN can hold a token)" in errors


def test_waiting_commands_get_different_gpus_and_their_own_status(start: Start, fake_driver: FakeDriver) -> None:
    """Two jobs that waited for the same free GPU got it both."""
    fake_driver.set({"gpu.*.utilization": 0, "gpu.0.uuid": FIRST, "gpu.1.uuid": SECOND}, gpus=2)
    job = ("wait", "--", "sh", "-c", 'echo "$CUDA_VISIBLE_DEVICES"; read line; exit 7')
    first = start(*job, environment=fake_driver.env)
    assert first.stdout is not None
    assert first.stdout.readline() == f"{FIRST}\n"
    second = start(*job, environment=fake_driver.env)
    assert second.stdout is not None
    assert second.stdout.readline() == f"{SECOND}\n"
    status, _, errors = done(start("wait", "--timeout", "0", "--", "true", environment=fake_driver.env))
    assert (status, errors) == (
        1,
        "gpumon: waiting: None of the 2 free GPUs fits.\ngpumon: gave up waiting\n",
    )
    assert done(first)[0] == 7
    assert done(second)[0] == 7
    assert done(start("wait", "--", "true", environment=fake_driver.env))[0] == 0


def test_command_starts_when_its_gpu_becomes_free(start: Start, fake_driver: FakeDriver) -> None:
    fake_driver.set({"gpu.*.utilization": 80, "gpu.0.uuid": FIRST}, gpus=1)
    job = start("wait", "--", "sh", "-c", 'echo "$CUDA_VISIBLE_DEVICES"', environment=fake_driver.env)
    assert job.stderr is not None
    assert job.stderr.readline() == "gpumon: waiting: No GPU is free.\n"
    fake_driver.set({"gpu.*.utilization": 0, "gpu.0.uuid": FIRST}, gpus=1)
    assert done(job) == (0, f"{FIRST}\n", "gpumon: starting on GPU 0\n")


@pytest.mark.parametrize(
    ("command", "status", "said"),
    [
        (["wait", "--count", "2"], 2, "a command is missing"),
        (["wait", "--", "no-such-program"], 127, "no-such-program: command not found"),
        (["free", "--memory", "20"], 2, "such as 20GiB"),
        (["free", "--server", "http://127.0.0.1:1"], 2, "no answer from http://127.0.0.1:1"),
    ],
)
def test_mistakes_have_the_statuses_of_shells(start: Start, command: list[str], status: int, said: str) -> None:
    ended = done(start(*command))
    assert (ended[0], ended[1]) == (status, "")
    assert said in ended[2]
