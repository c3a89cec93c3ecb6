"""Faults of the fake driver: lost GPUs, and calls that fail, hang or crash."""

from __future__ import annotations

import signal
from collections.abc import Callable

import pytest

from tests.fakes.fake_driver import FakeDriver
from tests.fakes.pynvml_child import Child, eventually

pytestmark = pytest.mark.slow


def test_every_call_on_a_lost_gpu_fails_and_only_that_gpu_cannot_be_opened(fake_driver: FakeDriver, ask: Child) -> None:
    ask("lost = gpu(1); uuid = n.nvmlDeviceGetUUID(lost); bus = n.nvmlDeviceGetPciInfo(lost).busId;; True")
    fake_driver.set({"gpu.1.lost": 1})
    eventually(ask, "code(n.nvmlDeviceGetPowerUsage, lost)", 15)
    assert ask("[code(n.nvmlDeviceGetName, lost), code(gpu, 1), code(n.nvmlDeviceGetHandleByUUID, uuid)]") == [15] * 3
    assert ask("code(n.nvmlDeviceGetHandleByPciBusId, bus)") == 15
    assert ask("n.nvmlDeviceGetPowerUsage(gpu(2))") == 302_000


def test_gpus_can_change_their_order_and_disappear(fake_driver: FakeDriver, ask: Child) -> None:
    uuids = ask("[n.nvmlDeviceGetUUID(gpu(i)) for i in range(3)]")
    fake_driver.set(order="2,0")
    eventually(ask, "[n.nvmlDeviceGetUUID(gpu(i)) for i in range(n.nvmlDeviceGetCount())]", [uuids[2], uuids[0]])
    assert ask(f"code(n.nvmlDeviceGetHandleByUUID, '{uuids[1]}')") == 6


def test_one_function_can_fail_for_all_gpus_or_for_one(fake_driver: FakeDriver, ask: Child) -> None:
    fake_driver.set({"fail.nvmlDeviceGetPowerUsage": 999, "gpu.1.fail.nvmlDeviceGetPowerUsage": 4})
    eventually(ask, "[code(n.nvmlDeviceGetPowerUsage, gpu(i)) for i in range(3)]", [999, 4, 999])
    assert ask("code(n.nvmlDeviceGetUtilizationRates, gpu(0))") == "no error"


def test_one_value_can_be_missing_or_forbidden(fake_driver: FakeDriver, ask: Child) -> None:
    fake_driver.set({"gpu.*.temperature": "na", "gpu.1.temperature": "denied", "gpu.2.temperature": "!999"})
    eventually(ask, "[code(n.nvmlDeviceGetTemperature, gpu(i), 0) for i in range(3)]", [3, 4, 999])


@pytest.mark.parametrize("status", [9, 12, 18])
def test_driver_can_refuse_to_start(
    fake_driver: FakeDriver, start_child: Callable[[FakeDriver], Child], status: int
) -> None:
    fake_driver.set(init=status)
    child = start_child(fake_driver)
    assert child("code(n.nvmlInit)") == status
    assert child("code(n.nvmlDeviceGetCount)") == 1


def test_every_call_can_fail_after_the_start(fake_driver: FakeDriver, ask: Child) -> None:
    fake_driver.set(all=18)
    eventually(ask, "code(n.nvmlDeviceGetCount)", 18)
    assert ask("code(gpu, 0)") == 18
    fake_driver.set(all=None)
    eventually(ask, "n.nvmlDeviceGetCount()", 8)


def test_hanging_call_returns_when_the_scenario_changes(fake_driver: FakeDriver, ask: Child) -> None:
    fake_driver.set({"gpu.3.hang.nvmlDeviceGetUtilizationRates": 1, "cuda_version": 1})
    eventually(ask, "n.nvmlSystemGetCudaDriverVersion()", 1)
    assert ask("n.nvmlDeviceGetUtilizationRates(gpu(2)).gpu") == 42
    ask.send("n.nvmlDeviceGetUtilizationRates(gpu(3)).gpu")
    assert ask.is_silent()
    fake_driver.set({"gpu.3.hang.nvmlDeviceGetUtilizationRates": None})
    assert ask.receive() == 43


def test_crashing_call_ends_the_process(fake_driver: FakeDriver, ask: Child) -> None:
    fake_driver.set({"crash.nvmlDeviceGetPowerUsage": 1, "gpus": 1})
    eventually(ask, "n.nvmlDeviceGetCount()", 1)
    ask.send("n.nvmlDeviceGetPowerUsage(gpu(0))")
    assert ask.process.wait(timeout=40) == -signal.SIGSEGV
