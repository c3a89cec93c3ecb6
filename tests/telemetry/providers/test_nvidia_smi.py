"""nvidia-smi as a stream: only the newest whole document is read, each error is explained, and the program ends with us."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable

import pytest

from monitor.telemetry.options import Options
from monitor.telemetry.providers import program
from monitor.telemetry.providers.nvidia_smi import NvidiaSmi
from monitor.telemetry.providers.stream import TimedOut, run_once
from tests.support.linux_host import FakeHost
from tests.support.servers import ROOT
from tests.telemetry.providers.fake_program import FakeProgram
from tests.telemetry.providers.reader import Reader

pytestmark = pytest.mark.slow

DOCUMENT = (ROOT / "tests/fakes/smi/h100-driver-580.xml").read_text()
HALF = DOCUMENT[: len(DOCUMENT) // 2]
MISMATCH = "Failed to initialize NVML: Driver/library version mismatch\n"

Open = Callable[..., Reader]
Program = Callable[[str], FakeProgram]


def looping(*more: dict[str, object]) -> dict[str, list[dict[str, object]]]:
    return {"-lms": [{"out": DOCUMENT + "\n"}, *(more or ({"sleep": 0.05}, {"repeat": 0}))]}


def test_one_program_is_started_and_its_stream_is_read(open_reader: Open, fake_program: Program) -> None:
    fake = fake_program("nvidia-smi")
    reader = open_reader("nvidia_smi", fake.plays(looping()), interval_seconds=0.5)
    readings = [reader.read() for _ in range(3)]
    assert [reading.gpus[0].power_watts for reading in readings] == [698.25] * 3
    assert readings[0].sampled_at < readings[1].sampled_at < readings[2].sampled_at
    assert [call[1:] for call in fake.calls] == [["-q", "-x", "-lms", "500"]]


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
    fake = fake_program("nvidia-smi")
    reader = open_reader(
        "nvidia_smi", fake.plays(looping()), root=str(host.root), unattached=["0000:02:00.0"], interval_seconds=1
    )
    reader.read()
    assert fake.calls[0][1:] == ["-q", "-x", "-i", "0000:01:00.0,0000:03:00.0", "-lms", "1000"]


def test_version_without_a_loop_is_run_for_each_reading(open_reader: Open, fake_program: Program) -> None:
    fake = fake_program("nvidia-smi")
    environment = fake.plays(
        {"-lms": [{"err": "Invalid combination of input arguments.\n"}, {"exit": 6}], "-q": [{"out": DOCUMENT}]}
    )
    reader = open_reader("nvidia_smi", environment)
    reader.read()
    reader.read()
    assert [call[1:] for call in fake.calls][1:] == [["-q", "-x"], ["-q", "-x"]]


def test_whole_report_counts_whatever_the_exit_status(open_reader: Open, fake_program: Program) -> None:
    """14: the infoROM is corrupted."""
    scenario: dict[str, list[dict[str, object]]] = {
        "-lms": [{"err": "Invalid combination of input arguments.\n"}, {"exit": 6}],
        "-q": [{"out": DOCUMENT}, {"exit": 14}],
    }
    reader = open_reader("nvidia_smi", fake_program("nvidia-smi").plays(scenario))
    assert [len(reader.read().gpus) for _ in range(2)] == [2, 2]


def test_program_that_ends_after_each_report_is_run_for_each_reading(open_reader: Open, fake_program: Program) -> None:
    reader = open_reader("nvidia_smi", fake_program("nvidia-smi").plays({"": [{"out": DOCUMENT}, {"exit": 14}]}))
    assert [len(reader.read().gpus) for _ in range(3)] == [2, 2, 2]


def test_lost_gpu_has_the_time_when_it_was_found_lost(open_reader: Open, fake_program: Program) -> None:
    reader = open_reader("nvidia_smi", fake_program("nvidia-smi").plays(looping()), interval_seconds=0.1)
    first, second = reader.read(), reader.read()
    assert [gpu.since for gpu in first.gpus] == [None, first.sampled_at]
    assert [gpu.since for gpu in second.gpus] == [None, first.sampled_at]


def test_gpu_that_the_driver_refuses_costs_no_other(open_reader: Open, fake_program: Program, host: FakeHost) -> None:
    """nvidia-smi then prints nothing about the others, unless it is asked for them only."""
    for place in ("0000:1b:00.0", "0000:43:00.0", "0000:ba:00.0"):
        host.gpu(place)
    complaint = "Unable to determine the device handle for GPU0000:BA:00.0: Unknown Error\n"
    fake = fake_program("nvidia-smi")
    environment = fake.plays({"-i": [{"out": DOCUMENT}, {"sleep": 600}], "": [{"out": complaint}, {"exit": 255}]})
    reading = open_reader("nvidia_smi", environment, root=str(host.root)).read()
    assert [gpu.pci_bus_id for gpu in reading.gpus] == ["0000:1b:00.0", "0000:43:00.0"]
    assert "GPU 0000:ba:00.0 has fallen off the bus or needs a reset" in reading.notices[0].text
    assert fake.calls[1][1:] == ["-q", "-x", "-i", "0000:1b:00.0,0000:43:00.0", "-lms", "1000"]


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
        (
            [{"out": "Unable to determine the device handle for GPU0000:BA:00.0: Unknown Error\n"}, {"exit": 255}],
            "GPU 0000:ba:00.0 has fallen off the bus or needs a reset",
            "--gpu-reset",
        ),
        (
            [
                {"err": "Unable to determine the device handle for GPU 0000:05:00.0: GPU is lost.  Reboot\n"},
                {"exit": 15},
            ],
            "GPU 0000:05:00.0 has fallen off the bus",
            "reboot the host",
        ),
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
    fake = fake_program("nvidia-smi")
    reader = open_reader("nvidia_smi", fake.plays(looping({"sleep": 600})))
    reader.read()
    pid = int(str(fake.calls[0][0]))
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


# ── Limits ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_silent_program_is_reported_after_the_time_that_the_setting_allows(
    open_reader: Open, fake_program: Program
) -> None:
    environment = fake_program("nvidia-smi").plays(looping({"sleep": 600}))
    reader = open_reader("nvidia_smi", environment, interval_seconds=0.5, timeout_seconds=1.0)
    reader.read()
    assert reader.failure().reason == "`nvidia-smi` does not respond: no whole document for 1.4 s."


@pytest.mark.parametrize(
    ("timeout_seconds", "expected"),
    [(5.0, [31.0, 5.5]), (30.0, [61.0, 28.0])],
    ids=["the first report gets longer", "and so with a longer setting"],
)
def test_each_report_gets_the_time_that_the_setting_allows(
    timeout_seconds: float, expected: list[float], monkeypatch: pytest.MonkeyPatch, fake_program: Program
) -> None:
    allowed: list[float] = []

    class Stream:
        def __init__(self, command: object, split: object) -> None:
            pass

        def newest(self, seconds: float) -> tuple[bytes, float]:
            allowed.append(seconds)
            return DOCUMENT.encode(), 1.0

        def stop(self) -> None:
            pass

    monkeypatch.setattr(program, "DocumentStream", Stream)
    monkeypatch.setenv("PATH", fake_program("nvidia-smi").environment["PATH"])
    provider = NvidiaSmi(Options(interval_seconds=1.0, timeout_seconds=timeout_seconds))
    provider.open()
    provider.read(1.0)
    provider.read(2.0)
    provider.close()
    assert allowed == pytest.approx(expected)


def test_output_without_end_is_cut_off() -> None:
    with pytest.raises(TimedOut, match="endless output"):
        run_once(["/bin/sh", "-c", "exec cat /dev/zero"], 60)


def test_memory_and_files_of_the_program_are_limited() -> None:
    ended = run_once(["/bin/sh", "-c", "ulimit -d; ulimit -f"], 60)
    data_kib, file_blocks = map(int, ended.half.split())
    assert data_kib <= 4 << 20
    assert file_blocks * 512 <= 64 << 20
