"""The real pynvml on the fake driver: the processes of a GPU, their memory and their shares."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from monitor.telemetry.schema import Gpu
from tests.fakes.fake_driver import FakeDriver
from tests.telemetry.providers.reader import Reader

pytestmark = pytest.mark.slow

MIB = 1 << 20
Open = Callable[..., Reader]


def first(reader: Reader) -> Gpu:
    return reader.read().gpus[0]


def test_the_three_lists_are_merged_by_pid(fake_driver: FakeDriver, open_reader: Open) -> None:
    fake_driver.set({"gpu.0.processes": "11:CG:100:30:10:5:6, 12:C:na, 13:M:50, 0:C:1, 4294967295:C:1"}, gpus=1)
    gpu = first(open_reader("pynvml", fake_driver.env))
    rows = {process.pid: process for process in gpu.processes or ()}
    assert set(rows) == {11, 12, 13}
    assert rows[11].types == ("compute", "graphics")
    assert rows[13].types == ("mps",)
    assert rows[11].memory_used_bytes == 100 * MIB
    assert (rows[11].sm_utilization_percent, rows[11].decoder_utilization_percent) == (30, 6)
    assert rows[12].memory_used_bytes is None
    assert "not available" in rows[12].unavailable["memory_used_bytes"]
    assert gpu.memory_unattributed_bytes is None


def test_memory_of_no_known_process_is_reported(fake_driver: FakeDriver, open_reader: Open) -> None:
    fake_driver.set({"gpu.0.processes": "11:C:100, 12:C:200", "gpu.0.memory_used_mib": 1000}, gpus=1)
    assert first(open_reader("pynvml", fake_driver.env)).memory_unattributed_bytes == 700 * MIB


@pytest.mark.parametrize("quirk", ["never", "success_zero"])
@pytest.mark.parametrize(("utilization", "share"), [(0, 0), (100, None)])
def test_without_samples_processes_are_idle_only_if_the_gpu_is(
    fake_driver: FakeDriver, open_reader: Open, quirk: str, utilization: int, share: int | None
) -> None:
    """Some drivers give no samples: the only process on a GPU at 100 % was once shown at 0 %."""
    fake_driver.set(
        {"gpu.0.processes": "11:C:100:50", "gpu.0.utilization": utilization}, gpus=1, process_utilization=quirk
    )
    (process,) = first(open_reader("pynvml", fake_driver.env)).processes or ()
    assert process.sm_utilization_percent == share
    if share is None:
        assert "no shares of processes" in process.unavailable["sm_utilization_percent"]


@pytest.mark.parametrize("count", [2, 100])
def test_shares_are_read_by_the_newer_call_where_the_older_is_refused(
    fake_driver: FakeDriver, open_reader: Open, count: int
) -> None:
    listed = ", ".join(f"{pid}:C:10:{pid % 100}:7" for pid in range(101, 101 + count))
    fake_driver.set({"fail.nvmlDeviceGetProcessUtilization": 3, "gpu.0.processes": listed}, gpus=1)
    rows = first(open_reader("pynvml", fake_driver.env)).processes or ()
    assert {row.pid: row.sm_utilization_percent for row in rows} == {row.pid: row.pid % 100 for row in rows}
    assert {row.memory_utilization_percent for row in rows} == {7}
    assert len(rows) == count


def test_nonsense_samples_are_dropped(fake_driver: FakeDriver, open_reader: Open) -> None:
    fake_driver.set({"gpu.0.processes": "11:C:100:50, 12:C:100:170", "gpu.0.stray_samples": "0:90, 77:90"}, gpus=1)
    rows = {process.pid: process for process in first(open_reader("pynvml", fake_driver.env)).processes or ()}
    assert set(rows) == {11, 12}
    assert rows[12].sm_utilization_percent is None
    assert "above 100" in rows[12].unavailable["sm_utilization_percent"]


def test_share_of_a_process_is_kept_between_the_drivers_samples(fake_driver: FakeDriver, open_reader: Open) -> None:
    fake_driver.set({"gpu.0.processes": "11:C:100:50"}, gpus=1, sample_period_ms=400)
    reader = open_reader("pynvml", fake_driver.env)
    shares = [(first(reader).processes or ())[0].sm_utilization_percent for _ in range(30)]
    assert set(shares[shares.index(50) :]) == {50}


def test_hundreds_of_processes_are_read(fake_driver: FakeDriver, open_reader: Open) -> None:
    fake_driver.set({"gpu.0.processes": 100}, gpus=1)
    assert len(first(open_reader("pynvml", fake_driver.env)).processes or ()) == 100
