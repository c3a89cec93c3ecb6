"""The real pynvml on the fake driver: GPUs that are added, removed, refused or badly identified while gpumon runs."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from monitor.telemetry.schema import Reading
from tests.fakes.fake_driver import FakeDriver
from tests.support.servers import wait_for
from tests.telemetry.providers.reader import Reader

pytestmark = pytest.mark.slow

Open = Callable[..., Reader]
LOOK_SECONDS = 11


def settle() -> None:
    """The fake driver reads a changed scenario within 20 ms, and GPUs are opened in a thread."""
    time.sleep(0.05)


def read_after_a_look(reader: Reader) -> Reading:
    """A reading some while after the list of GPUs was asked for again, for a list that stays as it is."""
    settle()
    reader.read(LOOK_SECONDS)
    settle()
    return reader.read()


def read_until(reader: Reader, gpus: list[int]) -> Reading:
    """The first reading of just these GPUs (their indices). GPUs are opened in a thread, which takes as long as it takes."""
    settle()
    reader.read(LOOK_SECONDS)

    def reading_of_these() -> Reading | None:
        reading = reader.read()
        return reading if [gpu.index for gpu in reading.gpus] == gpus else None

    return wait_for(reading_of_these, f"a reading of GPUs {gpus}")


def test_gpu_that_is_added_is_read_in_its_place(fake_driver: FakeDriver, open_reader: Open) -> None:
    fake_driver.set({"gpus": 3, "order": "0,2", "gpu.0.uuid": "GPU-a", "gpu.1.uuid": "GPU-b", "gpu.2.uuid": "GPU-c"})
    reader = open_reader("pynvml", fake_driver.env)
    assert [gpu.uuid for gpu in reader.read().gpus] == ["GPU-a", "GPU-c"]
    fake_driver.set(order="0,1,2")
    gpus = read_until(reader, [0, 1, 2]).gpus
    assert [(gpu.index, gpu.uuid) for gpu in gpus] == [(0, "GPU-a"), (1, "GPU-b"), (2, "GPU-c")]
    assert all(gpu.utilization_percent is not None for gpu in gpus)


def test_gpu_that_is_removed_is_not_read_and_comes_back(fake_driver: FakeDriver, open_reader: Open) -> None:
    """Given to a virtual machine, and taken back."""
    fake_driver.set(gpus=2)
    reader = open_reader("pynvml", fake_driver.env)
    reader.read()
    fake_driver.set(order="1")
    assert [(gpu.index, gpu.pci_bus_id) for gpu in read_until(reader, [0]).gpus] == [(0, "0000:11:00.0")]
    fake_driver.set(order="0,1")
    read_until(reader, [0, 1])


def test_number_of_gpus_is_asked_for_now_and_then_and_no_gpu_opened_again(
    fake_driver: FakeDriver, open_reader: Open
) -> None:
    fake_driver.set(gpus=2)
    reader = open_reader("pynvml", fake_driver.env)
    reader.read()
    fake_driver.reset_calls()
    for _ in range(100):
        reader.read(1)
    calls = fake_driver.calls()
    assert 5 <= calls["nvmlDeviceGetCount_v2"] <= 10
    assert "nvmlDeviceGetHandleByIndex_v2" not in calls
    assert "nvmlInitWithFlags" not in calls


def test_slow_start_of_an_added_gpu_does_not_delay_the_others(fake_driver: FakeDriver, open_reader: Open) -> None:
    fake_driver.set({"gpus": 1, "gpu.1.hang.nvmlDeviceGetHandleByIndex_v2": 1})
    reader = open_reader("pynvml", fake_driver.env)
    reader.read()
    fake_driver.set(gpus=2)
    assert len(read_after_a_look(reader).gpus) == 1
    assert len(read_after_a_look(reader).gpus) == 1
    fake_driver.set({"gpu.1.hang.nvmlDeviceGetHandleByIndex_v2": 0})
    read_until(reader, [0, 1])


@pytest.mark.parametrize("code", [3, 4, 15, 27, 999])
def test_gpu_that_cannot_be_opened_at_the_start_is_read_later(
    fake_driver: FakeDriver, open_reader: Open, code: int
) -> None:
    fake_driver.set({"gpus": 2, "gpu.1.fail.nvmlDeviceGetHandleByIndex_v2": code})
    reader = open_reader("pynvml", fake_driver.env)
    reading = reader.read()
    assert [gpu.index for gpu in reading.gpus] == [0]
    assert reading.notices[0].text.startswith("GPU 1 ")
    fake_driver.set({"gpu.1.fail.nvmlDeviceGetHandleByIndex_v2": 0})
    reading = read_until(reader, [0, 1])
    assert reading.notices == ()


@pytest.mark.parametrize("function", ["nvmlDeviceGetPciInfo_v3", "nvmlDeviceGetUUID", "nvmlDeviceGetName"])
def test_refused_identity_costs_no_gpu(fake_driver: FakeDriver, open_reader: Open, function: str) -> None:
    """NVML has no PCI address of integrated GPUs."""
    fake_driver.set({"gpus": 2, f"gpu.0.fail.{function}": 3})
    reader = open_reader("pynvml", fake_driver.env)
    gpu = reader.read().gpus[0]
    assert gpu.utilization_percent is not None
    assert (gpu.pci_bus_id is None) == (function == "nvmlDeviceGetPciInfo_v3")
    assert gpu.unavailable.get("pci_bus_id") in (None, "not supported by this GPU")
    fake_driver.set({f"gpu.0.fail.{function}": 0})
    known = ("0000:10:00.0", "GPU-00000000-0000-4000-8000-000000000000", "NVIDIA H100 80GB HBM3")

    def is_known() -> bool:
        gpu = read_after_a_look(reader).gpus[0]
        return (gpu.pci_bus_id, gpu.uuid, gpu.name) == known

    wait_for(is_known, "the driver's answer")


def test_xids_are_kept_when_the_place_of_a_gpu_changes(fake_driver: FakeDriver, open_reader: Open) -> None:
    fake_driver.set(gpus=2, order="1")
    reader = open_reader("pynvml", fake_driver.env)
    reader.read()
    fake_driver.set({"gpu.1.xid": "79@1"})
    deadline = time.monotonic() + 10
    while not (xids := reader.read().gpus[0].xids) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert [xid.code for xid in xids or ()] == [79]
    fake_driver.set(order="0,1")
    gpus = read_until(reader, [0, 1]).gpus
    assert [[xid.code for xid in gpu.xids or ()] for gpu in gpus] == [[], [79]]


def test_two_gpus_of_one_uuid_are_both_read(fake_driver: FakeDriver, open_reader: Open) -> None:
    fake_driver.set({"gpus": 3, "gpu.*.uuid": "GPU-", "gpu.2.lost": 1})
    reader = open_reader("pynvml", fake_driver.env)
    assert [gpu.pci_bus_id for gpu in reader.read().gpus] == ["0000:10:00.0", "0000:11:00.0"]
    fake_driver.set({"gpu.2.lost": 0})
    read_until(reader, [0, 1, 2])
