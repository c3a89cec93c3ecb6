"""The real pynvml on the fake driver: what each GPU reports, and how many calls that takes."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from monitor.telemetry.schema import Fan, Gpu
from tests.fakes.fake_driver import FakeDriver
from tests.telemetry.providers.reader import Reader

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


# ── Processes ─────────────────────────────────────────────────────────────────────────────────────────────────────────


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


# ── Unusual hosts ─────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("how", ["not_supported", "zero_total"])
def test_unified_memory_is_the_hosts_memory_and_has_no_pcie(
    fake_driver: FakeDriver, open_reader: Open, how: str
) -> None:
    fake_driver.set({"gpu.0.unified": how}, gpus=1)
    reader = open_reader("pynvml", fake_driver.env)
    first(reader)
    gpu = first(reader)
    assert gpu.memory_is_unified
    assert (gpu.memory_total_bytes or 0) > 1 << 28
    assert 0 < (gpu.memory_used_percent or 0) < 100
    assert gpu.pcie_rx_bytes_per_second is gpu.pcie_width is None
    assert "share one memory" in gpu.unavailable["pcie_width"]


def test_mig_instances_have_their_memory_and_their_processes(fake_driver: FakeDriver, open_reader: Open) -> None:
    fake_driver.set(
        {
            "gpu.0.mig": "on",
            "gpu.0.mig_instances": "3g.20gb:1:0:20096:19, -, 1g.5gb:9:0:4864:100:MIG-9",
            "gpu.0.processes": "11:C:19@1.0, 12:C:100@9.0",
        },
        gpus=1,
    )
    gpu = first(open_reader("pynvml", fake_driver.env))
    assert gpu.mig_mode is True
    assert [(each.index, each.profile) for each in gpu.mig_instances] == [(0, "3g.20gb"), (2, "1g.5gb")]
    assert gpu.mig_instances[1].uuid == "MIG-9"
    assert gpu.mig_instances[1].memory_total_bytes == 4864 * MIB
    assert gpu.mig_instances[1].memory_used_bytes == 100 * MIB
    assert {process.pid: process.mig_instance for process in gpu.processes or ()} == {11: 0, 12: 2}
    assert gpu.utilization_percent is None
    assert "MIG" in gpu.unavailable["utilization_percent"]


def test_unprivileged_reader_of_mig_gets_the_instances_and_the_reason_for_missing_parent_values(
    fake_driver: FakeDriver, open_reader: Open
) -> None:
    fake_driver.set(
        {
            "gpu.0.mig": "on",
            "gpu.0.mig_unprivileged": 1,
            "gpu.0.mig_instances": "3g.20gb:1:0:20096:19",
            "gpu.0.processes": "11:C:19@1.0",
        },
        gpus=1,
    )
    gpu = first(open_reader("pynvml", fake_driver.env))
    assert gpu.memory_total_bytes is None
    assert "permission" in gpu.unavailable["memory_total_bytes"]
    assert not gpu.memory_is_unified
    assert gpu.mig_instances[0].memory_total_bytes == 20096 * MIB
    assert [process.pid for process in gpu.processes or ()] == [11]


def test_gpu_that_falls_off_the_bus_is_lost_and_the_others_are_read(fake_driver: FakeDriver, open_reader: Open) -> None:
    fake_driver.set(gpus=3)
    reader = open_reader("pynvml", fake_driver.env)
    reader.read()
    fake_driver.set({"gpu.1.lost": 1})
    time.sleep(0.05)
    gpus = reader.read().gpus
    assert [gpu.state for gpu in gpus] == ["ok", "lost", "ok"]
    assert abs((gpus[1].since or 0) - time.time()) < 10
    assert gpus[2].utilization_percent is not None
    assert reader.read().gpus[1].since == gpus[1].since


def test_gpu_lost_before_the_start_does_not_hide_the_others(fake_driver: FakeDriver, open_reader: Open) -> None:
    fake_driver.set({"gpu.1.lost": 1}, gpus=3)
    reading = open_reader("pynvml", fake_driver.env).read()
    assert [gpu.index for gpu in reading.gpus] == [0, 2]
    assert "GPU 1 is lost" in reading.notices[0].text


def test_gpus_are_identified_by_uuid_when_their_order_changes(fake_driver: FakeDriver, open_reader: Open) -> None:
    fake_driver.set({"gpu.0.uuid": "GPU-a", "gpu.1.uuid": "GPU-b"}, gpus=2, order="1,0")
    assert [gpu.uuid for gpu in open_reader("pynvml", fake_driver.env).read().gpus] == ["GPU-b", "GPU-a"]


def test_version_that_the_driver_refuses_is_unknown_with_a_reason(fake_driver: FakeDriver, open_reader: Open) -> None:
    fake_driver.set({"fail.nvmlSystemGetCudaDriverVersion_v2": 3}, gpus=1)
    reading = open_reader("pynvml", fake_driver.env).read()
    assert reading.cuda_version is None
    assert set(reading.unavailable) == {"cuda_version"}


def test_persistence_mode_off_is_reported_once_with_its_cost(fake_driver: FakeDriver, open_reader: Open) -> None:
    fake_driver.set({"gpu.*.persistence": "off"}, gpus=2)
    notices = open_reader("pynvml", fake_driver.env).read().notices
    assert [notice.code for notice in notices] == ["persistence_mode_off"]
    assert "nvidia-smi -pm 1" in (notices[0].fix or "")


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
