"""Processes that have ended, by the accounting mode of the fake driver."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from monitor.telemetry.providers.nvml.accounting import IS_OFF, KEPT_SECONDS, MOST_STATS
from tests.fakes.fake_driver import FakeDriver
from tests.telemetry.providers.reader import Reader

pytestmark = pytest.mark.slow

Open = Callable[..., Reader]

MIB = 1 << 20
START_MS = 1_790_000_000_123
SLOW = 10.0
"""Seconds in which every slow call is made."""


def remember(driver: FakeDriver, *processes: str, **more: object) -> None:
    """What the driver's accounting mode knows of GPU 0."""
    driver.set({"gpu.0.accounting": "on", "gpu.0.accounted": ", ".join(processes), **more}, gpus=1)
    time.sleep(0.05)  # the library checks its scenario every 20 ms


def test_process_that_no_reading_saw_is_listed_after_its_end_for_two_minutes(
    fake_driver: FakeDriver, open_reader: Open
) -> None:
    remember(fake_driver, f"50:90:100:2000:{START_MS}")
    reader = open_reader("pynvml", fake_driver.env)
    assert reader.read().gpus[0].ended_processes == ()  # it had ended before
    remember(fake_driver, f"50:90:100:2000:{START_MS}", f"51:70:512:1500:{START_MS}", f"52:0:1:0:{START_MS}:1")
    (ended,) = reader.read(after_seconds=SLOW).gpus[0].ended_processes or ()
    assert (ended.pid, ended.seconds, ended.utilization_percent) == (51, 1.5, 70)
    assert (ended.started_at, ended.memory_peak_bytes) == (pytest.approx(START_MS / 1000), 512 * MIB)
    remember(fake_driver, f"51:70:512:1500:{START_MS}", f"52:0:1:0:{START_MS}")
    pids = [each.pid for each in reader.read(after_seconds=SLOW).gpus[0].ended_processes or ()]
    assert pids == [51, 52]
    reader.read(after_seconds=KEPT_SECONDS)
    assert reader.read(after_seconds=SLOW).gpus[0].ended_processes == ()


def test_running_processes_and_those_that_have_ended_are_not_asked_for_again(
    fake_driver: FakeDriver, open_reader: Open
) -> None:
    remember(fake_driver, **{"gpu.0.processes": "60:C:100"})
    reader = open_reader("pynvml", fake_driver.env)
    reader.read()
    remember(fake_driver, f"60:0:1:0:{START_MS}:1", f"61:0:1:5:{START_MS}")
    reader.read(after_seconds=SLOW)
    fake_driver.reset_calls()
    for _ in range(3):
        reader.read(after_seconds=SLOW)
    calls = fake_driver.calls()
    assert calls["nvmlDeviceGetAccountingPids"] == 3
    assert "nvmlDeviceGetAccountingStats" not in calls


def test_burst_of_processes_is_asked_for_in_parts(fake_driver: FakeDriver, open_reader: Open) -> None:
    remember(fake_driver)
    reader = open_reader("pynvml", fake_driver.env)
    reader.read()
    remember(fake_driver, *[f"{pid}:0:1:5:{START_MS}" for pid in range(100, 140)])
    counts = [len(reader.read(after_seconds=SLOW).gpus[0].ended_processes or ()) for _ in range(3)]
    assert counts == [MOST_STATS, 2 * MOST_STATS, 40]


def test_figures_that_cannot_be_are_unknown(fake_driver: FakeDriver, open_reader: Open) -> None:
    remember(fake_driver)
    reader = open_reader("pynvml", fake_driver.env)
    reader.read()
    remember(fake_driver, "70:4294967295:na:5:12")
    (ended,) = reader.read(after_seconds=SLOW).gpus[0].ended_processes or ()
    assert (ended.started_at, ended.memory_peak_bytes, ended.utilization_percent) == (None, None, None)


def test_mode_that_is_off_costs_one_slow_call_and_says_how_to_turn_it_on(
    fake_driver: FakeDriver, open_reader: Open
) -> None:
    fake_driver.set(gpus=1)
    reader = open_reader("pynvml", fake_driver.env)
    gpu = reader.read(after_seconds=SLOW).gpus[0]
    assert (gpu.ended_processes, gpu.unavailable["ended_processes"]) == (None, IS_OFF)
    assert {name for name in fake_driver.calls() if "Accounting" in name} == {"nvmlDeviceGetAccountingMode"}


@pytest.mark.parametrize("code", [3, 13])
def test_driver_without_the_mode_is_asked_seldom(fake_driver: FakeDriver, open_reader: Open, code: int) -> None:
    fake_driver.set({"fail.nvmlDeviceGetAccountingMode": code}, gpus=1)
    reader = open_reader("pynvml", fake_driver.env)
    assert "ended_processes" in reader.read().gpus[0].unavailable
    fake_driver.reset_calls()
    for _ in range(5):
        reader.read()
    assert "nvmlDeviceGetAccountingMode" not in fake_driver.calls()
