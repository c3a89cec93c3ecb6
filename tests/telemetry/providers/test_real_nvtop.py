"""The provider reads a real nvtop that runs on the fake driver library. Collected only where nvtop is installed."""

from __future__ import annotations

import subprocess
from collections.abc import Callable

import pytest

from monitor.telemetry.providers.nvtop import version_of
from monitor.telemetry.schema import Fan
from tests.fakes.fake_driver import FakeDriver
from tests.telemetry.providers.reader import Reader

Open = Callable[..., Reader]
MIB = 1 << 20


@pytest.fixture
def version() -> tuple[int, int, int]:
    """The version of the installed nvtop: at least 3.2, the first with output for programs."""
    told = subprocess.run(["nvtop", "--version"], capture_output=True, text=True, check=True).stdout
    found = version_of(told)
    assert found is not None, told
    if found < (3, 2, 0):
        pytest.skip(f"the nvtop that is installed is too old to be read by programs: {told.strip()}")
    return found


@pytest.fixture
def two_cards(fake_driver: FakeDriver, version: tuple[int, int, int]) -> FakeDriver:
    """The first one has a name that nvtop prints without escaping it."""
    fake_driver.set(
        {
            "gpu.0.name": 'The "First" Card',
            "gpu.1.name": "Second Card",
            "gpu.*.utilization": 37,
            "gpu.*.temperature": 61,
            "gpu.*.power_mw": 123_000,
            "gpu.*.memory_total_mib": 24_576,
            "gpu.*.memory_used_mib": 6_144,
            "gpu.*.fan_speeds": 42,
        },
        gpus=2,
    )
    return fake_driver


def test_every_gpu_is_read_with_its_values(two_cards: FakeDriver, open_reader: Open) -> None:
    first, second = open_reader("nvtop", two_cards.env).read().gpus
    assert (first.name, second.name) == ('The "First" Card', "Second Card")
    assert first.utilization_percent == 37
    assert first.temperature_celsius == 61
    assert first.power_watts == 123
    assert first.fans == (Fan(speed_percent=42),)


def test_memory_parts_add_up_to_the_total(
    two_cards: FakeDriver, version: tuple[int, int, int], open_reader: Open
) -> None:
    gpu = open_reader("nvtop", two_cards.env).read().gpus[0]
    assert gpu.memory_used_percent is not None
    if gpu.memory_total_bytes is None:
        assert version < (3, 3, 2)
        return
    assert gpu.memory_used_bytes is not None
    assert gpu.memory_free_bytes is not None
    assert gpu.memory_total_bytes == 24_576 * MIB == gpu.memory_used_bytes + gpu.memory_free_bytes
    assert gpu.memory_used_bytes >= 6_144 * MIB  # includes the driver's reserve, like the call this nvtop uses


def test_processes_are_listed_with_versions_that_print_them(
    two_cards: FakeDriver, version: tuple[int, int, int], open_reader: Open
) -> None:
    two_cards.set({"gpu.0.processes": "4242:C:512:30"})
    first, second = open_reader("nvtop", two_cards.env).read().gpus
    if version < (3, 3, 2):
        assert first.processes is None
        return
    assert first.processes is not None
    (process,) = first.processes
    assert (process.pid, process.types, process.memory_used_bytes) == (4242, ("compute",), 512 * MIB)
    assert second.processes == ()


def test_later_readings_follow_the_driver(two_cards: FakeDriver, open_reader: Open) -> None:
    reader = open_reader("nvtop", two_cards.env, interval_seconds=0.1)
    before = reader.read()
    two_cards.set({"gpu.1.utilization": 88})
    readings = (reader.read() for _ in range(100))
    after = next(reading for reading in readings if reading.gpus[1].utilization_percent == 88)
    assert after.gpus[0].utilization_percent == 37
    assert after.sampled_at > before.sampled_at


@pytest.mark.parametrize("weather", [{"gpus": 0}, {"init": 9}, {"init": 18}])
def test_driver_without_a_gpu_is_distinguished_from_a_broken_nvtop(
    two_cards: FakeDriver, open_reader: Open, weather: dict[str, int]
) -> None:
    two_cards.set(weather)
    assert open_reader("nvtop", two_cards.env).failure().reason == "`nvtop` answered: no GPU to monitor."
