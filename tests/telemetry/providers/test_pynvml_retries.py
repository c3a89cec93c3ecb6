"""The real pynvml on the fake driver: calls refused for a while cost their values for that while, and never a GPU."""

from __future__ import annotations

import time
from collections.abc import Callable
from random import Random

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from monitor.telemetry.providers.base import GPU_METRICS
from monitor.telemetry.schema import Gpu, Reading
from tests.fakes.fake_driver import FakeDriver
from tests.telemetry.providers.reader import Reader

pytestmark = pytest.mark.slow

Open = Callable[..., Reader]

ESSENTIAL = {"nvmlInitWithFlags", "nvmlErrorString", "nvmlDeviceGetCount_v2", "nvmlDeviceGetHandleByIndex_v2"}
"""Without these there is no GPU, or they return no error."""
RETRY_SECONDS = 6
SLOW_SECONDS = 11
LONG_SECONDS = 310
CODES = (1, 2, 3, 4, 6, 9, 10, 13, 15, 16, 17, 18, 19, 20, 21, 25, 26, 27, 999)
RICH = {
    "gpu.*.nvlinks": 18,
    "gpu.*.retired_single_bit": 0,
    "gpu.*.retired_double_bit": 0,
    "gpu.*.accounting": "on",
    "gpu.*.processes": "11:C:100:30, 12:G:50:10",
    "gpus": 2,
    "sample_period_ms": 5,
}
"""Every call succeeds."""
SHARES = {11: 30, 12: 10}
NEVER_REPORTED = {"hotspot_temperature_celsius"}


def settle() -> None:
    """The fake driver reads a changed scenario within 20 ms."""
    time.sleep(0.025)


def missing(gpu: Gpu) -> set[str]:
    """The metrics without a value, and with 18 links those of a link."""
    facts = ("version", "peer_type", "peer_pci_bus_id")
    of_links = {name for link in gpu.nvlinks or () for name in facts if getattr(link, name) is None}
    return {name for name in GPU_METRICS if getattr(gpu, name) is None} | of_links


def shares(reading: Reading) -> list[dict[int, float | None]]:
    return [{process.pid: process.sm_utilization_percent for process in gpu.processes or ()} for gpu in reading.gpus]


def read_when_well(reader: Reader) -> Reading:
    """A reading after everything that was refused has been asked again, also by the slow calls, and rates are known.

    The clock of the driver's samples is the real one, far behind that of the provider, which needs some readings to find it.
    """
    reader.read(RETRY_SECONDS)
    for _ in range(20):
        settle()
        reading = reader.read(SLOW_SECONDS)
        if shares(reading) == [SHARES, SHARES] and all(missing(gpu) == NEVER_REPORTED for gpu in reading.gpus):
            break
    return reading


def assert_is_well(reading: Reading) -> None:
    assert [gpu.state for gpu in reading.gpus] == ["ok", "ok"]
    for gpu in reading.gpus:
        assert missing(gpu) == NEVER_REPORTED
        assert len(gpu.nvlinks or ()) == 18
    assert shares(reading) == [SHARES, SHARES]
    assert reading.driver_version is not None
    assert reading.notices == ()


@pytest.mark.parametrize("code", [3, 4, 9, 13, 15, 999])
def test_refused_calls_cost_no_gpu_and_their_values_come_back(
    fake_driver: FakeDriver, open_reader: Open, code: int
) -> None:
    """Every call, in seven groups."""
    fake_driver.set(RICH)
    reader = open_reader("pynvml", fake_driver.env)
    assert_is_well(read_when_well(reader))
    functions = sorted(fake_driver.calls().keys() - ESSENTIAL)
    for group in (functions[first::7] for first in range(7)):
        refusals = {f"fail.{function}": code for function in group}
        fake_driver.set(refusals)
        settle()
        reader.read()
        assert [gpu.state for gpu in reader.read(SLOW_SECONDS).gpus] == ["ok", "ok"], group
        fake_driver.set(dict.fromkeys(refusals))
        settle()
        reader.read(LONG_SECONDS)
        assert_is_well(read_when_well(reader))


@settings(
    max_examples=8,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(seed=st.integers(0, 10_000))
def test_any_calls_refused_at_the_start_or_later_come_back(
    fake_driver: FakeDriver, open_reader: Open, seed: int
) -> None:
    fake_driver.scenario("")
    fake_driver.set(RICH)
    open_reader("pynvml", fake_driver.env).read()
    functions = sorted(fake_driver.calls().keys() - ESSENTIAL)
    random = Random(seed)
    refusals = {
        f"gpu.{gpu}.fail.{function}": random.choice(CODES)
        for gpu in (0, 1)
        for function in functions
        if random.random() < 0.3
    }
    fake_driver.set(refusals)
    reader = open_reader("pynvml", fake_driver.env)
    assert len(reader.read().gpus) == 2
    fake_driver.set(dict.fromkeys(refusals))
    settle()
    reader.read(LONG_SECONDS)
    assert_is_well(read_when_well(reader))
    fake_driver.set(refusals)
    settle()
    assert [gpu.state for gpu in reader.read(1).gpus] == ["ok", "ok"]
    fake_driver.set(dict.fromkeys(refusals))
    settle()
    reader.read(LONG_SECONDS)
    assert_is_well(read_when_well(reader))


def test_driver_that_refuses_everything_at_the_start_is_read_once_it_is_well(
    fake_driver: FakeDriver, open_reader: Open
) -> None:
    fake_driver.set({**RICH, "fail.*": 3, **{f"fail.{function}": 0 for function in ESSENTIAL}})
    reader = open_reader("pynvml", fake_driver.env)
    refused = reader.read()
    assert len(refused.gpus) == 2
    assert all((gpu.utilization_percent, gpu.processes, gpu.pci_bus_id) == (None, None, None) for gpu in refused.gpus)
    fake_driver.scenario("")
    fake_driver.set(RICH)
    settle()
    reader.read(LONG_SECONDS)
    settle()  # the GPUs are opened again in a thread
    assert_is_well(read_when_well(reader))


def test_refused_calls_are_made_again_ever_less_often(fake_driver: FakeDriver, open_reader: Open) -> None:
    fake_driver.set({"gpu.0.encoder": "na"}, gpus=1)
    reader = open_reader("pynvml", fake_driver.env)
    reader.read()
    for _ in range(600):
        reader.read(1)
    assert 6 <= fake_driver.calls()["nvmlDeviceGetEncoderUtilization"] <= 9


def test_metric_that_was_refused_for_seconds_is_known_again_seconds_later(
    fake_driver: FakeDriver, open_reader: Open
) -> None:
    """Drivers refuse readings for a while after a resume; these stayed unknown until a restart."""
    fake_driver.set(gpus=1)
    reader = open_reader("pynvml", fake_driver.env)
    reader.read()
    reader.read(600)
    fake_driver.set({"gpu.0.temperature": "na"})
    settle()
    assert reader.read(1).gpus[0].unavailable["temperature_celsius"] == "not supported by this GPU"
    fake_driver.set({"gpu.0.temperature": 55})
    settle()
    assert reader.read(RETRY_SECONDS).gpus[0].temperature_celsius == 55


@pytest.mark.parametrize("seconds", [30, -7200], ids=["a suspended host", "a clock set back"])
def test_refused_calls_are_made_again_at_once_after_a_jump_of_the_clock(
    fake_driver: FakeDriver, open_reader: Open, seconds: float
) -> None:
    """The monotonic clock stands still while a host is suspended."""
    fake_driver.set({"gpu.0.temperature": "na"}, gpus=1)
    reader = open_reader("pynvml", fake_driver.env)
    for _ in range(5):
        reader.read(LONG_SECONDS)
    fake_driver.set({"gpu.0.temperature": 55})
    settle()
    assert reader.read(1).gpus[0].temperature_celsius is None
    assert reader.read(1, clock_step_seconds=seconds).gpus[0].temperature_celsius == 55


def test_refused_calls_are_made_again_after_a_change_of_the_mig_mode(
    fake_driver: FakeDriver, open_reader: Open
) -> None:
    fake_driver.set({"gpu.0.mig": "on"}, gpus=1)
    reader = open_reader("pynvml", fake_driver.env)
    for _ in range(5):
        reader.read(LONG_SECONDS)
    assert reader.read(1).gpus[0].unavailable["utilization_percent"] == "not available while the GPU is in MIG mode"
    fake_driver.set({"gpu.0.mig": "off"})
    settle()
    reader.read(SLOW_SECONDS)
    assert reader.read(1).gpus[0].utilization_percent is not None


def test_refused_memory_is_not_taken_for_memory_shared_with_the_host(
    fake_driver: FakeDriver, open_reader: Open
) -> None:
    fake_driver.set(gpus=1)
    reader = open_reader("pynvml", fake_driver.env)
    reader.read()
    for refusal in ({"gpu.0.unified": "not_supported"}, {"gpu.0.unified": "zero_total"}):
        fake_driver.set(refusal)
        settle()
        gpu = reader.read(1).gpus[0]
        assert not gpu.memory_is_unified
        assert gpu.memory_total_bytes is None
        fake_driver.set(dict.fromkeys(refusal))
        settle()
        assert reader.read(RETRY_SECONDS).gpus[0].memory_total_bytes is not None


def test_lost_gpu_that_comes_back_is_read_with_everything(fake_driver: FakeDriver, open_reader: Open) -> None:
    fake_driver.set(RICH)
    reader = open_reader("pynvml", fake_driver.env)
    reader.read()
    fake_driver.set({"gpu.1.lost": 1})
    settle()
    assert reader.read(1).gpus[1].state == "lost"
    fake_driver.set({"gpu.1.lost": 0})
    settle()
    assert_is_well(read_when_well(reader))
