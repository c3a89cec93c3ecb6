"""The real pynvml on the fake driver: mean power, and traffic on PCIe and NVLink."""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median

import pytest

from monitor.telemetry.schema import Gpu
from tests.fakes.fake_driver import FakeDriver
from tests.telemetry.providers.reader import Reader

pytestmark = pytest.mark.slow

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
    assert [link.version for link in links] == [3.0, 3.0, None]  # in NVML's enumeration 4


def test_other_end_of_each_link_is_asked_once(fake_driver: FakeDriver, open_reader: Open) -> None:
    fake_driver.set({"gpu.*.nvlinks": 4, "gpu.0.nvlink_peers": "1,1,switch", "gpu.0.nvlinks_down": 0b1000}, gpus=2)
    reader = open_reader("pynvml", fake_driver.env)
    links = first(reader).nvlinks or ()
    assert [(link.peer_type, link.peer_pci_bus_id) for link in links] == [
        ("gpu", "0000:11:00.0"),
        ("gpu", "0000:11:00.0"),
        ("switch", "0000:c5:00.0"),
        (None, None),
    ]
    asked = fake_driver.calls()["nvmlDeviceGetNvLinkRemotePciInfo_v2"]
    assert asked == 7
    for _ in range(3):
        reader.read(11)
    assert fake_driver.calls()["nvmlDeviceGetNvLinkRemotePciInfo_v2"] == asked


@pytest.mark.parametrize(
    "refusal",
    [
        {"fail.nvmlDeviceGetNvLinkRemotePciInfo_v2": 3},
        {"gpu.1.pci": "FFFFFFFF:FF:FF.0"},
        {"gpu.1.pci": "00000000:00:00.0"},
    ],
)
def test_other_end_without_an_address_is_unknown(
    fake_driver: FakeDriver, open_reader: Open, refusal: dict[str, object]
) -> None:
    """In a virtual machine the driver reports such addresses for what it does not see."""
    fake_driver.set({"gpu.0.nvlinks": 1, "gpu.0.nvlink_peers": "1", **refusal}, gpus=2)
    (link,) = first(open_reader("pynvml", fake_driver.env)).nvlinks or ()
    assert (link.is_active, link.peer_type, link.peer_pci_bus_id) == (True, "gpu", None)


@pytest.mark.parametrize(
    ("enumerated", "version"),
    [
        (0, None),
        (1, 1.0),
        (2, 2.0),
        (3, 2.2),
        (4, 3.0),
        (5, 3.1),
        (6, 4.0),
        (7, 5.0),
        (8, 6.0),
        (99, None),
        (255, None),
    ],
)
def test_version_of_a_link_is_nvidias_number(
    fake_driver: FakeDriver, open_reader: Open, enumerated: int, version: float | None
) -> None:
    """An A100 was shown with NVLink version 5, which is 3.1."""
    fake_driver.set({"gpu.0.nvlinks": 1, "gpu.0.nvlink_version": enumerated}, gpus=1)
    (link,) = first(open_reader("pynvml", fake_driver.env)).nvlinks or ()
    assert link.version == version


def test_unused_links_do_not_hide_those_after_them(fake_driver: FakeDriver, open_reader: Open) -> None:
    fake_driver.set({"gpu.0.nvlinks": 18, "gpu.0.nvlinks_unused": 0b1001}, gpus=1)
    reader = open_reader("pynvml", fake_driver.env)
    links = first(reader).nvlinks
    assert [link.link for link in links or ()] == [1, 2, *range(4, 18)]
    fake_driver.set({"gpu.0.nvlinks_unused": 0})
    time.sleep(0.03)
    reader.read(6)
    assert len(reader.read(11).gpus[0].nvlinks or ()) == 18
    fake_driver.set({"gpu.0.nvlinks_unused": 0b10})
    time.sleep(0.03)
    assert [link.link for link in reader.read(11).gpus[0].nvlinks or ()] == [0, *range(2, 18)]


# ── Power and energy ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_mean_power_is_the_gpus_and_not_that_of_the_module_whose_energy_is_counted(
    fake_driver: FakeDriver, open_reader: Open
) -> None:
    """On Grace Hopper the energy counter covers the whole module: a GPU of 310 W was shown with a mean of 620 W."""
    fake_driver.set(
        {"gpu.0.power_mw": 620_000, "gpu.0.power_instant_mw": 310_000, "gpu.0.power_average_mw": 312_000}, gpus=1
    )
    reader = open_reader("pynvml", fake_driver.env)
    for _ in range(3):
        gpu = first(reader)
        assert (gpu.power_watts, gpu.power_average_watts) == (310, 312)
        time.sleep(0.1)


@pytest.mark.parametrize("refusal", [{"field.185.status": 3}, {"fail.nvmlDeviceGetFieldValues": 13}])
def test_mean_power_comes_from_the_energy_where_the_driver_has_none_and_not_when_it_starts_over(
    fake_driver: FakeDriver, open_reader: Open, refusal: dict[str, object]
) -> None:
    """A counter that started over was taken for one that had wrapped at 2^32: 4.3 GW."""
    fake_driver.set({**refusal, "gpu.0.power_mw": 300_000, "gpu.0.energy_mj": 5_000_000_000}, gpus=1)
    reader = open_reader("pynvml", fake_driver.env)
    first(reader)
    time.sleep(0.3)
    assert first(reader).power_average_watts == pytest.approx(300, rel=0.2)
    fake_driver.set({"gpu.0.energy_mj": 1000})
    time.sleep(0.3)
    gpu = first(reader)
    assert gpu.power_average_watts is None
    assert gpu.unavailable["power_average_watts"] == "needs two readings"
    time.sleep(0.3)
    assert first(reader).power_average_watts == pytest.approx(300, rel=0.2)


def test_pcie_counters_that_started_over_give_no_rate_above_the_links(
    fake_driver: FakeDriver, open_reader: Open
) -> None:
    link = {"gpu.0.pcie_gen_max": 1, "gpu.0.pcie_width_max": 1}
    fake_driver.set({**link, "gpu.0.pcie_rx_bytes": 1_000_000_000, "gpu.0.pcie_rx_rate": 1_000_000}, gpus=1)
    reader = open_reader("pynvml", fake_driver.env)
    first(reader)
    fake_driver.set({"gpu.0.pcie_rx_bytes": 0})
    time.sleep(0.3)
    gpu = first(reader)
    assert gpu.pcie_rx_bytes_per_second is None
    assert gpu.unavailable["pcie_rx_bytes_per_second"] == "the driver's counters have started over"
    time.sleep(0.3)
    assert first(reader).pcie_rx_bytes_per_second == pytest.approx(1e6, rel=0.2)
