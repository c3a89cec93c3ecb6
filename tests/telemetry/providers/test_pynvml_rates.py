"""The real pynvml on the fake driver: mean power, and traffic on PCIe and NVLink."""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median

import pytest

from monitor.telemetry.schema import Gpu
from tests.fakes.fake_driver import FakeDriver
from tests.telemetry.providers.reader import Reader

Open = Callable[..., Reader]


def first(reader: Reader) -> Gpu:
    return reader.read().gpus[0]


def test_rates_and_mean_power_come_from_the_counters_from_the_second_reading_on(
    fake_driver: FakeDriver, open_reader: Open
) -> None:
    fake_driver.set(
        {"gpu.0.power_mw": 300_000, "gpu.0.pcie_rx_rate": 2_000_000_000, "gpu.0.pcie_tx_rate": 1_000_000_000}, gpus=1
    )
    reader = open_reader("pynvml", fake_driver.env)
    before = first(reader)
    assert before.pcie_rx_bytes_per_second is None
    assert before.unavailable["pcie_rx_bytes_per_second"] == "needs two readings"
    time.sleep(0.3)
    gpu = first(reader)
    assert gpu.pcie_rx_bytes_per_second == pytest.approx(2e9, rel=0.2)
    assert gpu.pcie_tx_bytes_per_second == pytest.approx(1e9, rel=0.2)
    assert gpu.power_average_watts == pytest.approx(300, rel=0.2)


def test_a_fast_link_is_sampled_because_its_counters_wrap_several_times_between_readings(
    fake_driver: FakeDriver, open_reader: Open
) -> None:
    """An H100 at 52 GB/s and 1 Hz was once shown at 2.6 GB/s: the difference modulo 2^32."""
    fake_driver.set({"gpu.0.pcie_rx_rate": 52_000_000_000, "gpu.0.pcie_tx_rate": 3_000_000_000}, gpus=1)
    reader = open_reader("pynvml", fake_driver.env)
    first(reader)
    readings = []
    for _ in range(9):
        time.sleep(0.2)
        readings.append(first(reader))
    assert median(gpu.pcie_rx_bytes_per_second or 0 for gpu in readings) == pytest.approx(52e9, rel=0.2)
    assert median(gpu.pcie_tx_bytes_per_second or 0 for gpu in readings) == pytest.approx(3e9, rel=0.2)


def test_every_gpu_is_sampled_in_the_same_tick(fake_driver: FakeDriver, open_reader: Open) -> None:
    fake_driver.set({f"gpu.{index}.pcie_rx_rate": 10_000_000_000 * (index + 1) for index in range(4)}, gpus=4)
    reader = open_reader("pynvml", fake_driver.env)
    reader.read()
    ticks = []
    for _ in range(9):
        time.sleep(0.1)
        ticks.append([gpu.pcie_rx_bytes_per_second or 0 for gpu in reader.read().gpus])
    assert [median(rates) for rates in zip(*ticks, strict=True)] == pytest.approx([1e10, 2e10, 3e10, 4e10], rel=0.2)


@pytest.mark.parametrize(
    "link",
    [
        pytest.param({"gpu.0.pcie_gen_max": 1, "gpu.0.pcie_width_max": 4}, id="a link too slow to wrap the counters"),
        pytest.param({"pcie_counter_bits": 64}, id="counters of 64 bits"),
    ],
)
def test_counters_that_cannot_wrap_give_the_mean_since_the_previous_reading(
    fake_driver: FakeDriver, open_reader: Open, link: dict[str, object]
) -> None:
    """Traffic between two readings counts, although there is none during the readings."""
    fake_driver.set({"gpu.0.pcie_rx_bytes": 0, "gpu.0.pcie_rx_rate": 0, **link}, gpus=1)
    reader = open_reader("pynvml", fake_driver.env)
    before = reader.read()
    fake_driver.set({"gpu.0.pcie_rx_bytes": 300_000_000})
    time.sleep(0.3)
    after = reader.read()
    moved = (after.gpus[0].pcie_rx_bytes_per_second or 0) * (after.sampled_at - before.sampled_at)
    assert moved == pytest.approx(300_000_000, rel=0.2)


def test_byte_counter_of_32_bits_may_wrap_once(fake_driver: FakeDriver, open_reader: Open) -> None:
    link = {"gpu.0.pcie_gen_max": 1, "gpu.0.pcie_width_max": 4}
    counters = {"gpu.0.pcie_rx_bytes": (1 << 32) - 1000, "gpu.0.pcie_rx_rate": 500_000_000}
    fake_driver.set({**link, **counters}, gpus=1)
    reader = open_reader("pynvml", fake_driver.env)
    first(reader)
    time.sleep(0.3)
    assert first(reader).pcie_rx_bytes_per_second == pytest.approx(5e8, rel=0.2)


def test_link_of_unknown_speed_counts_as_the_fastest(fake_driver: FakeDriver, open_reader: Open) -> None:
    fake_driver.set(
        {"gpu.0.pcie_gen_max": "na", "gpu.0.pcie_width_max": "na", "gpu.0.pcie_rx_rate": 60_000_000_000}, gpus=1
    )
    reader = open_reader("pynvml", fake_driver.env)
    first(reader)
    readings = []
    for _ in range(9):
        time.sleep(0.1)
        readings.append(first(reader).pcie_rx_bytes_per_second or 0)
    assert median(readings) == pytest.approx(60e9, rel=0.2)


def test_a_driver_too_slow_to_sample_the_link_leaves_the_rate_unknown(
    fake_driver: FakeDriver, open_reader: Open
) -> None:
    fake_driver.set({"slow_ms.nvmlDeviceGetFieldValues": 100}, gpus=1)
    reader = open_reader("pynvml", fake_driver.env)
    first(reader)
    gpu = first(reader)
    assert gpu.pcie_rx_bytes_per_second is gpu.pcie_tx_bytes_per_second is None
    assert gpu.unavailable["pcie_rx_bytes_per_second"] == "the driver took too long to sample it"


def test_pcie_throughput_comes_from_the_slow_call_where_the_counters_fail(
    fake_driver: FakeDriver, open_reader: Open
) -> None:
    fake_driver.set({"field.197.status": 3, "field.198.status": 3, "gpu.0.pcie_rx_rate": 4_096_000}, gpus=1)
    gpu = first(open_reader("pynvml", fake_driver.env))
    assert gpu.pcie_rx_bytes_per_second == pytest.approx(4_096_000, rel=0.01)


def test_gpu_without_nvlink_gives_the_drivers_reason(fake_driver: FakeDriver, open_reader: Open) -> None:
    fake_driver.set(gpus=1)
    gpu = first(open_reader("pynvml", fake_driver.env))
    assert gpu.nvlinks is None
    assert gpu.unavailable["nvlinks"] == "the driver reports no NVLink"


def test_nvlinks_are_listed_individually(fake_driver: FakeDriver, open_reader: Open) -> None:
    fake_driver.set({"gpu.0.nvlinks": 3, "gpu.0.nvlinks_down": 0b100, "gpu.0.nvlink_version": 4}, gpus=1)
    links = first(open_reader("pynvml", fake_driver.env)).nvlinks
    assert links is not None
    assert [(link.link, link.is_active) for link in links] == [(0, True), (1, True), (2, False)]
    assert links[0].version == 4
