"""nvidia-smi as a stream: only the newest whole document is read, each error is explained, and the program ends with us."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable

import pytest

from tests.support.linux_host import FakeHost
from tests.support.servers import ROOT
from tests.telemetry.providers.fake_program import FakeProgram
from tests.telemetry.providers.reader import Reader

DOCUMENT = (ROOT / "tests/fakes/smi/h100-driver-580.xml").read_text()
HALF = DOCUMENT[: len(DOCUMENT) // 2]
MISMATCH = "Failed to initialize NVML: Driver/library version mismatch\n"

Open = Callable[..., Reader]
Program = Callable[[str], FakeProgram]


def looping(*more: dict[str, object]) -> dict[str, list[dict[str, object]]]:
    return {"-lms": [{"out": DOCUMENT + "\n"}, *(more or ({"sleep": 0.05}, {"repeat": 0}))]}


def test_one_program_is_started_and_its_stream_is_read(open_reader: Open, fake_program: Program) -> None:
    program = fake_program("nvidia-smi")
    reader = open_reader("nvidia_smi", program.plays(looping()), interval_seconds=0.5)
    readings = [reader.read() for _ in range(3)]
    assert [reading.gpus[0].power_watts for reading in readings] == [698.25] * 3
    assert readings[0].sampled_at < readings[1].sampled_at < readings[2].sampled_at
    assert [call[1:] for call in program.calls] == [["-q", "-x", "-lms", "500"]]


def test_late_reader_gets_the_newest_document(open_reader: Open, fake_program: Program) -> None:
    newer = DOCUMENT.replace("698.25", "111.00")
    steps = [{"out": DOCUMENT}, {"sleep": 0.3}, {"out": DOCUMENT}, {"out": newer}, {"sleep": 60}]
    reader = open_reader("nvidia_smi", fake_program("nvidia-smi").plays({"-lms": steps}))  # type: ignore[dict-item]
    reader.read()
    time.sleep(0.8)
    assert reader.read().gpus[0].power_watts == 111


def test_sleeping_gpus_are_not_queried(open_reader: Open, fake_program: Program, host: FakeHost) -> None:
    """The program queries every GPU by default, which woke the sleeping ones."""
    for place in ("0000:01:00.0", "0000:02:00.0", "0000:03:00.0"):
        host.gpu(place)
    program = fake_program("nvidia-smi")
    reader = open_reader(
        "nvidia_smi", program.plays(looping()), root=str(host.root), unattached=["0000:02:00.0"], interval_seconds=1
    )
    reader.read()
    assert program.calls[0][1:] == ["-q", "-x", "-i", "0000:01:00.0,0000:03:00.0", "-lms", "1000"]


def test_version_without_a_loop_is_run_for_each_reading(open_reader: Open, fake_program: Program) -> None:
    program = fake_program("nvidia-smi")
    environment = program.plays(
        {"-lms": [{"err": "Invalid combination of input arguments.\n"}, {"exit": 6}], "-q": [{"out": DOCUMENT}]}
    )
    reader = open_reader("nvidia_smi", environment)
    reader.read()
    reader.read()
    assert [call[1:] for call in program.calls][1:] == [["-q", "-x"], ["-q", "-x"]]


@pytest.mark.parametrize(
    ("steps", "reason", "fix"),
    [
        ([{"out": "No devices were found\n"}, {"exit": 6}], "finds no GPU", "--gpus all"),
        ([{"out": MISMATCH}, {"exit": 18}], "different versions", "Reboot"),
        (
            [{"out": "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver.\n"}, {"exit": 9}],
            "not loaded",
            "modprobe",
        ),
        (
            [{"out": "Failed to initialize NVML: Insufficient Permissions\n"}, {"exit": 4}],
            "refuses this user",
            "/dev/nvidia",
        ),
        ([{"out": "Failed to initialize NVML: Unknown Error\n"}, {"exit": 255}], "Unknown Error", "daemon-reload"),
        ([{"out": HALF}, {"signal": signal.SIGSEGV}], "SIGSEGV in the middle of its report", "dmesg"),
        ([{"out": HALF}, {"exit": 0}], "exit status 0 in the middle of its report", "dmesg"),
        ([{"out": "<nvidia_smi_log><gpu></nvidia_smi_log>"}, {"sleep": 60}], "Cannot read the output", None),
    ],
)
def test_each_failure_at_the_start_has_a_reason_and_a_fix(
    open_reader: Open, fake_program: Program, steps: list[dict[str, object]], reason: str, fix: str | None
) -> None:
    failed = open_reader("nvidia_smi", fake_program("nvidia-smi").plays({"-lms": steps})).failure()
    assert reason in failed.reason
    assert fix is None or fix in (failed.fix or "")


def test_missing_program_is_reported(open_reader: Open) -> None:
    failed = open_reader("nvidia_smi", {"PATH": "/nonexistent"}).failure()
    assert failed.reason == "`nvidia-smi` is not in PATH."


def test_crash_within_a_document_is_an_error_and_gives_no_reading(open_reader: Open, fake_program: Program) -> None:
    environment = fake_program("nvidia-smi").plays(looping({"sleep": 0.2}, {"out": HALF}, {"signal": signal.SIGSEGV}))
    reader = open_reader("nvidia_smi", environment)
    assert len(reader.read().gpus) == 2
    assert "SIGSEGV in the middle" in reader.failure().reason


def test_driver_upgraded_while_running_is_reported_with_the_fix(open_reader: Open, fake_program: Program) -> None:
    environment = fake_program("nvidia-smi").plays(looping({"sleep": 0.2}, {"out": MISMATCH}, {"exit": 18}))
    reader = open_reader("nvidia_smi", environment)
    reader.read()
    assert "different versions" in reader.failure().reason


def test_the_program_ends_when_its_reader_is_killed(open_reader: Open, fake_program: Program) -> None:
    program = fake_program("nvidia-smi")
    reader = open_reader("nvidia_smi", program.plays(looping({"sleep": 600})))
    reader.read()
    pid = int(str(program.calls[0][0]))
    os.kill(pid, 0)
    reader.close()
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return
        time.sleep(0.02)
    raise AssertionError("nvidia-smi lives on")
