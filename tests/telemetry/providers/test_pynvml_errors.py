"""The real pynvml on the fake driver: the effect of each kind of error, in one call or in the whole driver."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from monitor.telemetry.schema import Fan, Gpu
from tests.fakes.fake_driver import FakeDriver
from tests.telemetry.providers.reader import Reader

pytestmark = pytest.mark.slow

Open = Callable[..., Reader]


def first(reader: Reader) -> Gpu:
    return reader.read().gpus[0]


def test_unsupported_value_is_null_with_the_reason_and_not_queried_again(
    fake_driver: FakeDriver, open_reader: Open
) -> None:
    fake_driver.set({"gpu.0.encoder": "na", "gpu.0.ecc": "na", "gpu.0.temperature": "!13"}, gpus=1)
    reader = open_reader("pynvml", fake_driver.env)
    gpu = first(reader)
    assert gpu.encoder_utilization_percent is gpu.ecc_is_enabled is gpu.temperature_celsius is None
    assert gpu.unavailable["encoder_utilization_percent"] == "not supported by this GPU"
    assert "library" in gpu.unavailable["temperature_celsius"]
    assert gpu.utilization_percent is not None
    for _ in range(5):
        first(reader)
    calls = fake_driver.calls()
    assert calls["nvmlDeviceGetEncoderUtilization"] == calls["nvmlDeviceGetTemperature"] == 1


@pytest.mark.parametrize("code", [13, 26])
def test_temperature_is_read_by_the_newer_call_where_the_older_is_gone(
    fake_driver: FakeDriver, open_reader: Open, code: int
) -> None:
    fake_driver.set({"fail.nvmlDeviceGetTemperature": code, "gpu.0.temperature": 61}, gpus=1)
    assert first(open_reader("pynvml", fake_driver.env)).temperature_celsius == 61


def test_a_driver_that_supports_nothing_still_names_its_gpus(fake_driver: FakeDriver, open_reader: Open) -> None:
    everything = ("Utilization", "Encoder", "Decoder", "Temperature", "Clock", "Power", "Fan", "Pcie", "Ecc")
    functions = [
        "nvmlDeviceGetUtilizationRates", "nvmlDeviceGetEncoderUtilization", "nvmlDeviceGetDecoderUtilization",
        "nvmlDeviceGetTemperature", "nvmlDeviceGetClockInfo", "nvmlDeviceGetPowerUsage", "nvmlDeviceGetNumFans",
        "nvmlDeviceGetFieldValues", "nvmlDeviceGetPerformanceState", "nvmlDeviceGetCurrentClocksEventReasons",
        "nvmlDeviceGetCurrentClocksThrottleReasons", "nvmlDeviceGetTotalEnergyConsumption",
        "nvmlDeviceGetComputeRunningProcesses_v3", "nvmlDeviceGetGraphicsRunningProcesses_v3",
        "nvmlDeviceGetMPSComputeRunningProcesses_v3", "nvmlDeviceGetComputeRunningProcesses_v2",
        "nvmlDeviceGetGraphicsRunningProcesses_v2", "nvmlDeviceGetMPSComputeRunningProcesses_v2",
        "nvmlDeviceGetMaxClockInfo", "nvmlDeviceGetPcieThroughput", "nvmlDeviceGetEccMode",
    ]  # fmt: skip
    assert everything
    fake_driver.set({f"fail.{function}": 3 for function in functions}, gpus=1)
    reader = open_reader("pynvml", fake_driver.env)
    for _ in range(3):
        gpu = first(reader)
    assert gpu.name
    assert gpu.processes is None
    assert gpu.power_watts is gpu.utilization_percent is None


def test_unusual_error_leaves_only_its_field_unknown_while_it_lasts(fake_driver: FakeDriver, open_reader: Open) -> None:
    fake_driver.set({"fail.nvmlDeviceGetUtilizationRates": 999}, gpus=1)
    reader = open_reader("pynvml", fake_driver.env)
    gpu = first(reader)
    assert gpu.utilization_percent is None
    assert gpu.unavailable["utilization_percent"] == "the driver returned an unknown error"
    assert gpu.temperature_celsius is not None
    fake_driver.set({"fail.nvmlDeviceGetUtilizationRates": None})
    time.sleep(0.05)
    assert first(reader).utilization_percent is not None


def test_power_and_energy_use_the_old_calls_where_field_values_are_unsupported(
    fake_driver: FakeDriver, open_reader: Open
) -> None:
    fake_driver.set({"fail.nvmlDeviceGetFieldValues": 13, "gpu.0.power_mw": 250_000}, gpus=1)
    gpu = first(open_reader("pynvml", fake_driver.env))
    assert gpu.power_watts == 250
    assert gpu.energy_joules is not None


def test_old_driver_without_symbols_lacks_only_their_fields(old_fake_driver: FakeDriver, open_reader: Open) -> None:
    old_fake_driver.set(
        {"gpu.0.processes": "11:C:100, 12:G:50", "gpu.0.clock_reasons": 4, "gpu.0.power_mw": 99_000}, gpus=1
    )
    reader = open_reader("pynvml", old_fake_driver.env)
    first(reader)
    gpu = first(reader)
    assert {process.pid for process in gpu.processes or ()} == {11, 12}
    assert gpu.clock_event_reasons == ("sw_power_cap",)
    assert gpu.power_watts == 99
    assert gpu.memory_total_bytes is not None
    assert gpu.memory_reserved_bytes is None
    assert gpu.fans == (Fan(speed_percent=30),)
    assert gpu.jpeg_utilization_percent is None


# ── The whole driver ──────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("code", "reason", "fix"),
    [
        (9, "its kernel module is not loaded", "modprobe nvidia"),
        (18, "have different versions", "Reboot"),
        (4, "refuses this user", "/dev/nvidiactl"),
        (999, "“Unknown Error” to every call", "Restart the container"),
        (999, "“Unknown Error” to every call", "daemon-reload"),
    ],
)
def test_driver_that_does_not_start_is_reported_with_reason_and_fix(
    fake_driver: FakeDriver, open_reader: Open, code: int, reason: str, fix: str
) -> None:
    fake_driver.set(init=code)
    failed = open_reader("pynvml", fake_driver.env).failure()
    assert reason in failed.reason
    assert fix in (failed.fix or "")


def test_missing_library_is_reported_with_the_fix_for_containers(open_reader: Open) -> None:
    failed = open_reader("pynvml", {"LD_LIBRARY_PATH": "/nonexistent"}).failure()
    assert "libnvidia-ml.so.1" in failed.reason
    assert "--gpus all" in (failed.fix or "")


def test_driver_without_gpus_is_reported(fake_driver: FakeDriver, open_reader: Open) -> None:
    fake_driver.set(gpus=0)
    assert "finds no GPU" in open_reader("pynvml", fake_driver.env).failure().reason


@pytest.mark.parametrize(("code", "reason"), [(999, "Unknown Error"), (18, "different versions"), (9, "not loaded")])
def test_driver_lost_while_running_ends_the_provider_with_reason_and_fix(
    fake_driver: FakeDriver, open_reader: Open, code: int, reason: str
) -> None:
    fake_driver.set(gpus=2)
    reader = open_reader("pynvml", fake_driver.env)
    reader.read()
    fake_driver.set({"all": code})
    time.sleep(0.05)
    failed = reader.failure()
    assert reason in failed.reason
    assert failed.fix
