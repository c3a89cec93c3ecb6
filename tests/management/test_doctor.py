"""`manage.py doctor` on all kinds of hosts, and the commands that must never touch a driver."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from tests.fakes.fake_driver import FakeDriver
from tests.support.prepared_folder import prepare
from tests.support.servers import ROOT

pytestmark = pytest.mark.slow

Manage = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def manage(tmp_path: Path) -> Manage:
    """Run a manage.py command with an empty PATH and its own data folder."""

    def run(*command: str, environment: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        clean = {name: value for name, value in os.environ.items() if not name.startswith("GPU_MONITOR_")}
        return subprocess.run(
            [sys.executable, "manage.py", *command],
            cwd=ROOT,
            env={
                **clean,
                "PATH": "/nonexistent",
                "GPU_MONITOR_DATA_DIR": str(tmp_path / "data"),
                **(environment or {}),
            },
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run


def test_doctor_lists_the_gpus_and_exits_with_0(manage: Manage, fake_driver: FakeDriver) -> None:
    fake_driver.set({"gpu.0.name": "First Card", "gpu.1.name": "Second Card"}, gpus=2, driver_version="580.1.2")
    told = manage("doctor", environment=fake_driver.env)
    assert told.returncode == 0, told.stderr
    assert "✓ pynvml: in use." in told.stdout
    assert "GPUs, read via NVML, driver 580.1.2" in told.stdout
    assert "✓ 0: First Card, GPU-" in told.stdout
    assert "✓ 1: Second Card, GPU-" in told.stdout
    assert told.stderr == ""


def test_missing_metrics_have_their_reason_and_a_lost_gpu_is_named_beside_a_working_one(
    manage: Manage, fake_driver: FakeDriver
) -> None:
    lacking = {"fail.nvmlDeviceGetTemperature": 3, "fail.nvmlDeviceGetTemperatureV": 3}
    fake_driver.set({**lacking, "gpu.1.lost": 1}, gpus=2)
    told = manage("doctor", environment=fake_driver.env)
    assert told.returncode == 0
    assert "✓ 0: " in told.stdout
    assert "GPU 1 is lost: it has fallen off the bus." in told.stdout
    line = next(line for line in told.stdout.splitlines() if " temperature_celsius" in line)
    assert line.strip().startswith("not supported by this GPU: ")


def test_doctor_without_gpus_explains_each_provider_with_a_fix_and_exits_with_1(
    manage: Manage, nothing_found: Mapping[str, str]
) -> None:
    told = manage("doctor", environment=nothing_found)
    assert told.returncode == 1
    lines = [line.strip() for line in told.stdout.splitlines()]
    for report in (
        "· pynvml: The driver library `libnvidia-ml.so.1` is not installed on this host.",
        "· nvidia_smi: `nvidia-smi` is not in PATH.",
        "· nvtop: `nvtop` is not in PATH.",
        "✗ No provider works, so gpumon can show only the host itself.",
    ):
        assert lines[lines.index(report) + 1].startswith("→ "), report
    assert "This host" in lines
    assert "in use" not in told.stdout
    assert told.stderr == ""


@pytest.mark.parametrize(
    ("weather", "reason", "fix"),
    [
        ({"init": 9}, "its kernel module is not loaded", "modprobe nvidia"),
        ({"gpus": 0}, "finds no GPU", "--gpus all"),
        ({"gpus": 1, "gpu.0.lost": 1}, "GPU 0 is lost: it has fallen off the bus.", "lspci"),
    ],
)
def test_unusable_driver_is_reported_with_cause_and_fix(
    manage: Manage, fake_driver: FakeDriver, weather: dict[str, int], reason: str, fix: str
) -> None:
    """tests/telemetry/providers/test_pynvml_errors.py has the other errors."""
    fake_driver.set(weather)
    told = manage("doctor", environment=fake_driver.env)
    assert told.returncode == 1
    lines = told.stdout.splitlines()
    at = next(number for number, line in enumerate(lines) if line.startswith("  · pynvml: "))
    assert reason in lines[at]
    assert lines[at + 1].startswith("    → ")
    assert fix in lines[at + 1]


def test_hanging_driver_is_reported_and_does_not_block_the_doctor(manage: Manage, fake_driver: FakeDriver) -> None:
    fake_driver.set({"hang.nvmlInitWithFlags": 1})
    told = manage("doctor", environment={**fake_driver.env, "GPU_MONITOR_SAMPLER_TIMEOUT_MS": "500"})
    assert told.returncode == 1
    assert "✗ The driver has not answered for" in told.stdout


def test_debug_log_shows_each_step(manage: Manage, nothing_found: Mapping[str, str]) -> None:
    told = manage("doctor", environment={**nothing_found, "GPU_MONITOR_LOG_LEVEL": "DEBUG"})
    assert "pynvml skipped" in told.stderr


@pytest.mark.parametrize("command", ["check", "migrate", "help"])
def test_other_commands_never_touch_the_driver(
    manage: Manage, fake_driver: FakeDriver, command: str, tmp_path: Path
) -> None:
    """`check` imports every view."""
    (tmp_path / "data").mkdir()
    prepare(tmp_path / "data")
    told = manage(command, environment=fake_driver.env)
    assert told.returncode == 0, told.stderr
    assert fake_driver.total_calls() == 0
