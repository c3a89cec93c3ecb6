"""The fake driver answers the real pynvml like a driver; each test calls it from a child process."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from tests.fakes.fake_driver import FakeDriver
from tests.fakes.pynvml_child import Child, eventually

pytestmark = pytest.mark.slow


def test_default_scenario_has_eight_gpus_with_different_identities(ask: Child) -> None:
    assert ask("n.nvmlDeviceGetCount()") == 8
    assert ask("len({n.nvmlDeviceGetUUID(gpu(i)) for i in range(8)})") == 8
    assert ask("n.nvmlDeviceGetPciInfo(gpu(3)).busId") == "00000000:13:00.0"
    assert ask("n.nvmlDeviceGetIndex(n.nvmlDeviceGetHandleByPciBusId('0000:13:00.0'))") == 3
    assert ask("n.nvmlDeviceGetIndex(n.nvmlDeviceGetHandleByUUID(n.nvmlDeviceGetUUID(gpu(5))))") == 5


def test_every_call_on_a_default_gpu_succeeds(ask: Child) -> None:
    simple = (
        "Name UUID Index MinorNumber Brand Architecture VbiosVersion Serial UtilizationRates EncoderUtilization "
        "DecoderUtilization JpgUtilization OfaUtilization MemoryInfo BAR1MemoryInfo PowerUsage PowerManagementLimit "
        "PowerManagementDefaultLimit PowerManagementLimitConstraints EnforcedPowerLimit TotalEnergyConsumption NumFans "
        "FanSpeed FanSpeedRPM PerformanceState CurrentClocksEventReasons CurrentClocksThrottleReasons "
        "CurrPcieLinkGeneration CurrPcieLinkWidth MaxPcieLinkGeneration MaxPcieLinkWidth PcieReplayCounter EccMode "
        "RemappedRows ComputeMode PersistenceMode MigMode MaxMigDeviceCount SupportedEventTypes CudaComputeCapability"
    )
    failing = f"[it for it in {simple.split()} if code(getattr(n, 'nvmlDeviceGet' + it), gpu(0)) != 'no error']"
    assert ask(failing) == []


def test_scenario_change_reaches_a_running_process(fake_driver: FakeDriver, ask: Child) -> None:
    fake_driver.set({"gpu.2.utilization": 0, "gpu.2.temperature": -5})
    eventually(ask, "n.nvmlDeviceGetUtilizationRates(gpu(2)).gpu", 0)
    assert ask("n.nvmlDeviceGetTemperatureV(gpu(2), 0)") == -5
    fake_driver.set({"gpu.2.utilization": None})
    eventually(ask, "n.nvmlDeviceGetUtilizationRates(gpu(2)).gpu", 42)


def test_mistake_in_a_scenario_is_reported_at_once_and_changes_nothing(fake_driver: FakeDriver, ask: Child) -> None:
    with pytest.raises(ValueError, match=r"not understood: gpu\.0\.temprature = 3"):
        fake_driver.set({"gpu.0.temprature": 3})
    with pytest.raises(ValueError, match="order names GPU 9"):
        fake_driver.scenario("order = 9,0")
    fake_driver.set(gpus=1)
    eventually(ask, "n.nvmlDeviceGetCount()", 1)


def test_name_with_invalid_utf8_arrives_unchanged(fake_driver: FakeDriver, ask: Child) -> None:
    fake_driver.set({"gpu.0.name": r"Odd \xff\x07 name"})
    raw = "b = n.create_string_buffer(96);; n.nvmlLib.nvmlDeviceGetName(gpu(0), b, 96) or list(b.value)"
    eventually(ask, raw, list(b"Odd \xff\x07 name"))


def test_memory_parts_add_up_to_the_total_like_in_nvidia_smi(fake_driver: FakeDriver, ask: Child) -> None:
    parts = "m = n.nvmlDeviceGetMemoryInfo(gpu(0), n.nvmlMemory_v2);; [m.total, m.reserved + m.used + m.free, m.used]"
    assert ask(parts) == [81559 << 20, 81559 << 20, 20480 << 20]
    assert ask("n.nvmlDeviceGetMemoryInfo(gpu(0)).used") == (20480 + 600) << 20
    fake_driver.set(memory_used_includes_reserved=1)
    eventually(ask, "n.nvmlDeviceGetMemoryInfo(gpu(0), n.nvmlMemory_v2).used", (20480 + 600) << 20)


@pytest.mark.parametrize(("kind", "expected"), [("not_supported", 3), ("zero_total", "no error")])
def test_unified_memory_is_not_supported_or_has_no_total(
    fake_driver: FakeDriver, ask: Child, kind: str, expected: object
) -> None:
    fake_driver.set({"gpus": 1, "gpu.0.unified": kind})
    eventually(ask, "n.nvmlDeviceGetCount()", 1)
    assert ask("code(n.nvmlDeviceGetMemoryInfo, gpu(0))") == expected
    assert ask("code(n.nvmlDeviceGetMemoryInfo, gpu(0), n.nvmlMemory_v2)") == expected


def test_energy_grows_with_power_and_does_not_jump_when_the_power_changes(fake_driver: FakeDriver, ask: Child) -> None:
    fake_driver.set({"gpu.*.power_mw": 1_000_000_000, "gpu.*.energy_mj": 5_000_000})
    eventually(ask, "n.nvmlDeviceGetPowerUsage(gpu(0))", 1_000_000_000)
    before = ask("n.nvmlDeviceGetTotalEnergyConsumption(gpu(0))")
    eventually(ask, f"n.nvmlDeviceGetTotalEnergyConsumption(gpu(0)) > {before}", True)
    fake_driver.set({"gpu.*.energy_advances": 0})
    read = "n.nvmlDeviceGetTotalEnergyConsumption(gpu(0))"
    eventually(ask, f"{read} == {read}", True)
    assert ask(read) > before
    assert ask("field(0, 83)['value']") == ask(read)


def test_fans_can_exceed_100_percent_and_passive_boards_have_none(fake_driver: FakeDriver, ask: Child) -> None:
    fake_driver.set({"gpu.0.fans": 2, "gpu.0.fan_speeds": "30,130", "gpu.0.fan_rpm": "0,na", "gpu.1.fans": 0})
    eventually(ask, "[n.nvmlDeviceGetFanSpeed_v2(gpu(0), fan) for fan in range(2)]", [30, 130])
    assert ask("n.nvmlDeviceGetFanSpeedRPM(gpu(0))") == 0
    assert ask("n.nvmlDeviceGetNumFans(gpu(1))") == 0
    assert ask("code(n.nvmlDeviceGetFanSpeed, gpu(1))") == 3


def test_processes_are_listed_by_type_and_unknown_memory_is_none(fake_driver: FakeDriver, ask: Child) -> None:
    fake_driver.set({"gpu.0.processes": "4242:CG:1024:50, 4243:M:na, 0:G:0"})
    eventually(ask, "pids(n.nvmlDeviceGetComputeRunningProcesses(gpu(0)))", [4242])
    assert ask("pids(n.nvmlDeviceGetGraphicsRunningProcesses(gpu(0)))") == [4242, 0]
    mps = "n.nvmlDeviceGetMPSComputeRunningProcesses(gpu(0))"
    assert ask(f"[[it.pid, it.usedGpuMemory, it.gpuInstanceId] for it in {mps}]") == [[4243, None, 2**32 - 1]]


def test_process_list_with_too_small_a_buffer_returns_the_needed_size(fake_driver: FakeDriver, ask: Child) -> None:
    fake_driver.set(processes=4)
    eventually(ask, "len(n.nvmlDeviceGetComputeRunningProcesses(gpu(0)))", 4)
    bare = (
        "f = n.nvmlLib.nvmlDeviceGetComputeRunningProcesses_v3; c = n.c_uint({});; [f(gpu(0), n.byref(c), {}), c.value]"
    )
    assert ask(bare.format(0, None)) == [7, 4]
    assert ask(bare.format(3, "(n.c_nvmlProcessInfo_v3_t * 3)()")) == [7, 4]
    assert ask(bare.format(4, "(n.c_nvmlProcessInfo_v3_t * 4)()")) == [0, 4]


def test_utilization_samples_are_newer_than_the_timestamp_and_leave_out_idle_processes(
    fake_driver: FakeDriver, ask: Child
) -> None:
    fake_driver.set({"gpu.0.processes": "7:C:1:50,8:C:1:0"})
    eventually(ask, "[it[0] for it in samples(0, 0)]", [7])
    stamp = ask("samples(0, 0)")[0][1]
    assert abs(stamp / 1e6 - time.time()) < 60
    eventually(ask, f"samples(0, {stamp})[0][1] > {stamp}", True)
    assert ask(f"code(samples, 0, {stamp + 3_600_000_000})") == 6


def test_size_call_can_succeed_without_samples_which_pynvml_raises_as_code_zero(
    fake_driver: FakeDriver, ask: Child
) -> None:
    fake_driver.set(process_utilization="success_zero")
    eventually(ask, "code(samples, 0, 0)", 0)


def test_stray_samples_can_have_any_pid_and_any_age(fake_driver: FakeDriver, ask: Child) -> None:
    fake_driver.set({"gpu.0.stray_samples": "0:7, 4294967295:200:0:0:0:60000"})
    eventually(ask, "[[it[0], it[2]] for it in samples(0, 0)]", [[0, 7], [4294967295, 200]])
    assert ask("s = samples(0, 0);; s[0][1] - s[1][1]") == 60_000_000


def test_calls_are_counted_by_name_over_all_processes(
    fake_driver: FakeDriver, ask: Child, start_child: Callable[[FakeDriver], Child]
) -> None:
    other = start_child(fake_driver)
    assert other("n.nvmlInit();; True")
    fake_driver.reset_calls()
    handle = "h = gpu(0); [n.nvmlDeviceGetPowerUsage(h) for _ in range(10)];; True"
    ask(handle)
    other(handle)
    assert fake_driver.calls() == {"nvmlDeviceGetHandleByIndex_v2": 2, "nvmlDeviceGetPowerUsage": 20}
    assert fake_driver.total_calls() == 22


def test_calls_of_all_threads_are_counted(fake_driver: FakeDriver, ask: Child) -> None:
    fake_driver.reset_calls()
    ask(
        "from concurrent.futures import ThreadPoolExecutor; h = gpu(0); p = ThreadPoolExecutor(4); "
        "list(p.map(lambda _: [n.nvmlDeviceGetPowerUsage(h) for _ in range(500)], range(4)));; True"
    )
    assert fake_driver.calls()["nvmlDeviceGetPowerUsage"] == 2000


def test_driver_fails_after_shutdown_until_it_is_started_again(ask: Child) -> None:
    assert ask("n.nvmlShutdown();; code(n.nvmlDeviceGetCount)") == 1
    assert ask("n.nvmlInit();; n.nvmlDeviceGetCount()") == 8


def test_old_driver_supports_only_version_2_of_process_lists(ask_old: Child) -> None:
    lists = "Compute Graphics MPSCompute"
    assert ask_old(
        f"[mismatches(getattr(n, f'nvmlDeviceGet{{it}}RunningProcesses'), gpu(0)) for it in {lists.split()}]"
    ) == [True, True, True]
    assert ask_old("pids(n.nvmlDeviceGetComputeRunningProcesses_v2(gpu(0)))") == [100000, 100001]


def test_old_driver_lacks_the_newer_symbols(ask_old: Child) -> None:
    calls = "CurrentClocksEventReasons FanSpeedRPM JpgUtilization OfaUtilization MigMode"
    assert ask_old(f"[code(getattr(n, 'nvmlDeviceGet' + it), gpu(0)) for it in {calls.split()}]") == [13] * 5
    assert ask_old("code(n.nvmlDeviceGetFieldValues, gpu(0), [186])") == 13
    assert ask_old("code(n.nvmlDeviceGetMemoryInfo, gpu(0), n.nvmlMemory_v2)") == 13
    assert ask_old("n.nvmlDeviceGetCurrentClocksThrottleReasons(gpu(0))") == 0
    assert ask_old("n.nvmlDeviceGetMemoryInfo(gpu(0)).total") == 81559 << 20
