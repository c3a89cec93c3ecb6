"""When the PCIe counters are read within a tick: all GPUs together, with one wait."""

from __future__ import annotations

from typing import Any

import pynvml as nvml
import pytest

from monitor.telemetry.providers.nvml.links import pcie
from monitor.telemetry.providers.nvml.links.pcie import SAMPLE_SECONDS, PcieRates

GPUS = 64
CALL_SECONDS = 20e-6
BYTES_PER_SECOND = 10e9


class Driver:
    """32-bit counters of GPUs that move bytes all the time, and the clock."""

    def __init__(self) -> None:
        self.now = 100.0
        self.reads: list[int] = []
        self.waits: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now += seconds

    def field_values(self, _fields: object) -> Any:
        return self._read

    def _read(self, gpu: int) -> list[tuple[int, ...]]:
        self.reads.append(gpu)
        self.now += CALL_SECONDS
        counter = int(self.now * BYTES_PER_SECOND) % (1 << 32)
        return [(field, 0, nvml.NVML_VALUE_TYPE_UNSIGNED_INT, 0, counter) for field in (pcie.RX, pcie.TX)]


@pytest.fixture
def driver(monkeypatch: pytest.MonkeyPatch) -> Driver:
    made = Driver()
    monkeypatch.setattr(pcie, "FieldValues", made.field_values)
    return made


@pytest.fixture
def gpus(driver: Driver) -> list[PcieRates]:
    """GPUs after their first reading, one second later."""
    made = [PcieRates(lambda: driver.now, driver.sleep) for _ in range(GPUS)]
    for handle, gpu in enumerate(made):
        gpu.fill(handle, dict.fromkeys(pcie.METRICS))
    driver.now += 1
    driver.reads.clear()
    return made


def test_a_tick_of_many_gpus_waits_once_however_slow_their_other_calls_are(
    driver: Driver, gpus: list[PcieRates]
) -> None:
    """Each GPU once waited 5 ms of its own, as soon as a tick had taken 17 ms: 220 ms a tick of 64 GPUs."""
    for handle, gpu in enumerate(gpus):
        gpu.begin(handle)
    for handle, gpu in enumerate(gpus):
        gpu.end(handle)
    for handle, gpu in enumerate(gpus):
        values: dict[str, Any] = dict.fromkeys(pcie.METRICS)
        gpu.fill(handle, values)
        assert values["pcie_rx_bytes_per_second"] == pytest.approx(BYTES_PER_SECOND, rel=0.01)
        driver.now += 0.01
    assert len(driver.waits) == 1
    assert len(driver.reads) == 2 * GPUS


def test_a_gpu_whose_counters_may_have_wrapped_meanwhile_is_sampled_alone(
    driver: Driver, gpus: list[PcieRates]
) -> None:
    gpus[0].begin(0)
    driver.now += 0.5  # another GPU holds up the driver
    gpus[0].end(0)
    values: dict[str, Any] = dict.fromkeys(pcie.METRICS)
    gpus[0].fill(0, values)
    assert values["pcie_rx_bytes_per_second"] == pytest.approx(BYTES_PER_SECOND, rel=0.01)
    assert driver.reads == [0, 0, 0]
    assert driver.waits == [pytest.approx(SAMPLE_SECONDS)]
