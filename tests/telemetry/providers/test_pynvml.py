"""The real pynvml on the fake driver: what each GPU reports, and how many calls that takes."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from monitor.telemetry.schema import Fan, Gpu
from tests.fakes.fake_driver import FakeDriver
from tests.telemetry.providers.reader import Reader

pytestmark = pytest.mark.slow

MIB = 1 << 20
Open = Callable[..., Reader]


def first(reader: Reader) -> Gpu:
    return reader.read().gpus[0]


# ── Values of a GPU ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_every_gpu_has_its_identity_and_readings(fake_driver: FakeDriver, open_reader: Open) -> None:
    fake_driver.scenario(
        """
        gpus = 2
        cuda_version = 13000
        gpu.*.name = NVIDIA H100 80GB HBM3
        gpu.1.uuid = GPU-1111
        gpu.1.pci = 0000:3B:00.0
        gpu.1.utilization = 97
        gpu.1.memory_total_mib = 81559
        gpu.1.memory_used_mib = 70000
        gpu.1.memory_reserved_mib = 551
        gpu.1.temperature = 64
        gpu.1.slowdown_temperature = 87
        gpu.1.power_mw = 698123
        gpu.1.pstate = 2
        gpu.1.clock_reasons = 0x24
        gpu.1.fans = 0
        """
    )
    reading = open_reader("pynvml", fake_driver.env).read()
    assert reading.cuda_version == "13.0"
    assert [gpu.index for gpu in reading.gpus] == [0, 1]
    gpu = reading.gpus[1]
    assert (gpu.uuid, gpu.name, gpu.pci_bus_id) == ("GPU-1111", "NVIDIA H100 80GB HBM3", "0000:3b:00.0")
    assert (gpu.utilization_percent, gpu.temperature_celsius, gpu.slowdown_temperature_celsius) == (97, 64, 87)
    assert (gpu.power_watts, gpu.performance_state) == (698.123, "P2")
    assert gpu.clock_event_reasons == ("sw_power_cap", "sw_thermal_slowdown")
    assert gpu.fans == ()
    assert gpu.memory_total_bytes == 81559 * MIB
    assert gpu.memory_used_bytes == 70000 * MIB
    assert gpu.memory_reserved_bytes == 551 * MIB
    assert gpu.memory_used_percent == pytest.approx(100 * 70000 / 81559)


def test_serial_number_and_compute_capability_are_facts(fake_driver: FakeDriver, open_reader: Open) -> None:
    fake_driver.set(
        {"gpu.0.serial": "1650022012345", "gpu.0.compute_capability": 103, "gpu.1.fail.nvmlDeviceGetSerial": 3}
    )
    blackwell, other = open_reader("pynvml", fake_driver.env).read().gpus[:2]
    assert (blackwell.serial_number, blackwell.compute_capability) == ("1650022012345", "10.3")
    assert (other.serial_number, other.compute_capability) == (None, "9.0")
    assert other.unavailable["serial_number"] == "not supported by this GPU"


def test_activity_is_the_mean_between_two_samples(fake_driver: FakeDriver, open_reader: Open) -> None:
    fake_driver.set({"gpu.0.gpm_sm": 873, "gpu.0.gpm_tensor": 0, "gpu.0.gpm_dram": "!999"}, gpus=1)
    reader = open_reader("pynvml", fake_driver.env)
    before = first(reader)
    assert before.sm_activity_percent is None
    assert before.unavailable["sm_activity_percent"] == "needs two readings"
    after = reader.read(after_seconds=10).gpus[0]
    assert (after.sm_activity_percent, after.tensor_activity_percent, after.dram_activity_percent) == (87.3, 0, None)
    assert after.unavailable["dram_activity_percent"] == "the driver returned an unknown error"
    assert reader.read(after_seconds=10).gpus[0].sm_activity_percent == 87.3
    fake_driver.set({"gpu.0.fail.nvmlGpmSampleGet": 999})
    time.sleep(0.03)
    assert reader.read(after_seconds=10).gpus[0].sm_activity_percent is None


@pytest.mark.parametrize("scenario", [{"gpm": 0}, {"gpm": "na"}, {"fail.nvmlGpmQueryDeviceSupport": 13}])
def test_activity_of_a_gpu_without_gpm_is_unknown_and_asked_for_seldom(
    fake_driver: FakeDriver, open_reader: Open, scenario: dict[str, object]
) -> None:
    fake_driver.set({f"gpu.0.{key}": value for key, value in scenario.items()}, gpus=1)
    reader = open_reader("pynvml", fake_driver.env)
    gpu = first(reader)
    assert gpu.sm_activity_percent is gpu.dram_activity_percent is None
    assert "sm_activity_percent" in gpu.unavailable
    fake_driver.reset_calls()
    for _ in range(5):
        reader.read()
    assert [name for name in fake_driver.calls() if "Gpm" in name] == []


def test_gpu_in_mig_mode_says_why_its_activity_is_unknown(fake_driver: FakeDriver, open_reader: Open) -> None:
    fake_driver.set({"gpu.0.mig": "on"}, gpus=1)
    gpu = first(open_reader("pynvml", fake_driver.env))
    assert "MIG" in gpu.unavailable["sm_activity_percent"]


@pytest.mark.parametrize("includes", [0, 1])
def test_used_memory_excludes_the_drivers_reserve_with_either_memory_call(
    fake_driver: FakeDriver, open_reader: Open, includes: int
) -> None:
    fake_driver.set({"gpu.*.memory_used_mib": 1000, "gpu.*.memory_reserved_mib": 500}, gpus=1)
    fake_driver.set(memory_used_includes_reserved=includes)
    gpu = first(open_reader("pynvml", fake_driver.env))
    assert (gpu.memory_used_bytes, gpu.memory_reserved_bytes) == (1000 * MIB, 500 * MIB)


def test_zero_is_a_value(fake_driver: FakeDriver, open_reader: Open) -> None:
    zeros = (
        "utilization",
        "memory_utilization",
        "encoder",
        "decoder",
        "temperature",
        "power_mw",
        "sm_clock_mhz",
        "memory_used_mib",
    )
    fake_driver.set({f"gpu.0.{key}": 0 for key in zeros}, gpus=1)
    gpu = first(open_reader("pynvml", fake_driver.env))
    assert gpu.utilization_percent == gpu.memory_utilization_percent == gpu.encoder_utilization_percent == 0
    assert gpu.temperature_celsius == gpu.power_watts == gpu.sm_clock_mhz == gpu.memory_used_bytes == 0
    assert gpu.memory_used_percent == 0


def test_overshoots_are_clamped_to_100_and_counted_and_nonsense_is_unknown(
    fake_driver: FakeDriver, open_reader: Open
) -> None:
    fake_driver.set(
        {"gpu.0.utilization": 250, "gpu.0.encoder": 101, "gpu.0.fans": 2, "gpu.0.fan_speeds": "30,130"}, gpus=1
    )
    reading = open_reader("pynvml", fake_driver.env).read()
    gpu = reading.gpus[0]
    assert (gpu.utilization_percent, gpu.encoder_utilization_percent) == (None, 100)
    assert gpu.unavailable["utilization_percent"] == "the driver reports 250 %, outside 0–100 %"
    assert gpu.fans == (Fan(speed_percent=30), Fan(speed_percent=100))
    assert reading.clamped_count == 2


@pytest.mark.parametrize("code", [3, 13])
def test_fan_is_read_by_the_older_call_where_the_driver_cannot_count_fans(
    fake_driver: FakeDriver, open_reader: Open, code: int
) -> None:
    """nvmlDeviceGetNumFans came with driver 510."""
    fake_driver.set({"fail.nvmlDeviceGetNumFans": code, "gpu.0.fan_speeds": "41"}, gpus=1)
    assert first(open_reader("pynvml", fake_driver.env)).fans == (Fan(speed_percent=41),)


def test_fan_that_is_refused_leaves_the_others_known(fake_driver: FakeDriver, open_reader: Open) -> None:
    fake_driver.set({"gpu.0.fan_speeds": "!999,42"}, gpus=1)
    assert first(open_reader("pynvml", fake_driver.env)).fans == (Fan(speed_percent=None), Fan(speed_percent=42))


@pytest.mark.parametrize(
    ("scenario", "metric", "reason"),
    [
        ({"utilization": 808}, "utilization_percent", "the driver reports 808 %, outside 0–100 %"),
        ({"temperature": 255}, "temperature_celsius", "the driver reports 255 °C"),
        ({"power_mw": 4294967294}, "power_watts", "the driver reports 4294967.29 W"),
        ({"memory_clock_mhz": 4294967294}, "memory_clock_mhz", "the driver reports 4294967294 MHz"),
        ({"memory_total_mib": 100, "memory_used_mib": 200}, "memory_used_bytes", "more than the total"),
        ({"pcie_gen": 77}, "pcie_generation", "the driver reports 77"),
    ],
)
def test_figure_beyond_what_hardware_can_have_is_unknown(
    fake_driver: FakeDriver, open_reader: Open, scenario: dict[str, int], metric: str, reason: str
) -> None:
    fake_driver.set({f"gpu.0.{key}": value for key, value in scenario.items()}, gpus=1)
    gpu = first(open_reader("pynvml", fake_driver.env))
    assert getattr(gpu, metric) is None
    assert reason in gpu.unavailable[metric]


def test_absurd_memory_of_a_process_is_unknown(fake_driver: FakeDriver, open_reader: Open) -> None:
    fake_driver.set({"gpu.0.processes": "11:C:17592186044134:1, 12:C:90000:1", "gpu.0.memory_total_mib": 81559}, gpus=1)
    rows = {process.pid: process for process in first(open_reader("pynvml", fake_driver.env)).processes or ()}
    assert rows[11].memory_used_bytes is rows[12].memory_used_bytes is None
    assert "the driver reports" in rows[11].unavailable["memory_used_bytes"]
    assert "more than the total" in rows[12].unavailable["memory_used_bytes"]


@pytest.mark.parametrize("code", [3, 4, 999])
def test_processes_are_unknown_and_not_absent_where_their_list_is_refused(
    fake_driver: FakeDriver, open_reader: Open, code: int
) -> None:
    """A GPU whose process list was refused looked free."""
    refusals = {f"fail.nvmlDeviceGetComputeRunningProcesses_{version}": code for version in ("v2", "v3")}
    fake_driver.set({**refusals, "gpu.0.processes": "11:C:100:50, 12:G:100:5"}, gpus=1)
    assert first(open_reader("pynvml", fake_driver.env)).processes is None


def test_gpu_with_invalid_utf8_in_its_name_is_read(fake_driver: FakeDriver, open_reader: Open) -> None:
    fake_driver.set({"gpu.0.name": "Card \\xff\\xfe <b>"}, gpus=1)
    assert first(open_reader("pynvml", fake_driver.env)).name == "Card �� <b>"


def test_unknown_clock_event_bits_are_kept_as_numbers(fake_driver: FakeDriver, open_reader: Open) -> None:
    fake_driver.set({"gpu.0.clock_reasons": "0x8041"}, gpus=1)
    reasons = first(open_reader("pynvml", fake_driver.env)).clock_event_reasons
    assert reasons == ("gpu_idle", "hw_thermal_slowdown", "0x8000")


def test_xid_is_counted_with_its_time(fake_driver: FakeDriver, open_reader: Open) -> None:
    fake_driver.set(gpus=2)
    reader = open_reader("pynvml", fake_driver.env)
    assert first(reader).xids == ()
    fake_driver.set({"gpu.1.xid": "79@1,79@2,13@3"})
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        gpus = reader.read().gpus
        if sum(xid.count for xid in gpus[1].xids or ()) == 3:
            break
    assert gpus[0].xids == ()
    assert {xid.code: xid.count for xid in gpus[1].xids or ()} == {79: 2, 13: 1}
    assert abs((gpus[1].xids or ())[0].last_at - time.time()) < 30


def test_xid_with_code_0_and_ecc_errors_are_counted_too(fake_driver: FakeDriver, open_reader: Open) -> None:
    fake_driver.set(
        {"gpu.0.ecc_uncorrected_volatile": 2, "gpu.0.remapped_pending": 1, "gpu.0.ecc_corrected_aggregate": 0}, gpus=1
    )
    gpu = first(open_reader("pynvml", fake_driver.env))
    assert (gpu.ecc_uncorrected_volatile, gpu.ecc_corrected_aggregate) == (2, 0)
    assert gpu.remapped_rows_are_pending is True


@pytest.mark.parametrize(
    ("number", "action"),
    [
        (0, "none"),
        (1, "reset"),
        (2, "reboot"),
        (3, "drain p2p"),
        (4, "drain and reset"),
        (6, "bus reset"),
        (9, "action 9"),
    ],
)
def test_recovery_that_the_driver_recommends_is_reported(
    fake_driver: FakeDriver, open_reader: Open, number: int, action: str
) -> None:
    fake_driver.set({"gpu.1.recovery_action": number}, gpus=2)
    reading = open_reader("pynvml", fake_driver.env).read()
    assert [gpu.recovery_action for gpu in reading.gpus] == ["none", action]
    assert [notice.text[:5] for notice in reading.notices] == (["GPU 1"] if number else [])


def test_older_drivers_say_by_the_error_of_other_calls_that_a_gpu_needs_a_reset(
    fake_driver: FakeDriver, open_reader: Open
) -> None:
    fake_driver.set({"field.230.status": 3, "gpu.0.fail.nvmlDeviceGetTemperature": 16}, gpus=2)
    reader = open_reader("pynvml", fake_driver.env)
    reading = reader.read()
    assert [gpu.recovery_action for gpu in reading.gpus] == ["reset", None]
    assert [notice.code for notice in reading.notices] == ["gpu_recovery_action"]
    assert "--gpu-reset -i 0" in (reading.notices[0].fix or "")
    fake_driver.set({"gpu.0.fail.nvmlDeviceGetTemperature": 0})
    time.sleep(0.03)
    assert reader.read().notices == ()


@pytest.mark.parametrize(
    ("scenario", "state", "status"),
    [
        ({"fabric_state": 1}, "not started", None),
        ({"fabric_state": 2, "fabric_status": 999}, "in progress", None),
        ({"fabric_state": 3}, "completed", "success"),
        ({"fabric_state": 3, "fabric_status": 10}, "completed", "timeout"),
        ({"fabric_state": 7}, "state 7", None),
        ({"fail.nvmlDeviceGetGpuFabricInfoV": 13, "fabric_state": 3}, "completed", "success"),
    ],
)
def test_registration_with_the_nvlink_fabric_is_reported(
    fake_driver: FakeDriver, open_reader: Open, scenario: dict[str, int], state: str, status: str | None
) -> None:
    fake_driver.set({f"gpu.0.{key}": value for key, value in scenario.items()}, gpus=1)
    gpu = first(open_reader("pynvml", fake_driver.env))
    assert (gpu.fabric_state, gpu.fabric_status) == (state, status)


@pytest.mark.parametrize("state", ["0", "na"])
def test_gpu_without_a_fabric_is_asked_seldom(fake_driver: FakeDriver, open_reader: Open, state: str) -> None:
    fake_driver.set({"gpu.0.fabric_state": state}, gpus=1)
    reader = open_reader("pynvml", fake_driver.env)
    assert first(reader).unavailable["fabric_state"] == "not supported by this GPU"
    fake_driver.reset_calls()
    for _ in range(5):
        assert first(reader).fabric_state is None
    assert [name for name in fake_driver.calls() if "Fabric" in name] == []


# ── Cost ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_tick_makes_at_most_22_calls_per_gpu_and_none_for_static_values(
    fake_driver: FakeDriver, open_reader: Open
) -> None:
    fake_driver.set(gpus=4, processes=4)
    reader = open_reader("pynvml", fake_driver.env)
    for _ in range(3):
        reader.read()
    fake_driver.reset_calls()
    for _ in range(5):
        reader.read()
    calls = fake_driver.calls()
    calls.pop("nvmlEventSetWait_v2", None)
    assert sum(calls.values()) <= 22 * 4 * 5
    static = (
        "Name",
        "UUID",
        "PciInfo",
        "Brand",
        "Architecture",
        "Vbios",
        "Serial",
        "ComputeCapability",
        "GpmQuery",
        "GpmSampleAlloc",
        "Threshold",
        "Max",
        "Constraints",
        "DefaultLimit",
    )
    assert not [name for name in calls if any(word in name for word in static)]
