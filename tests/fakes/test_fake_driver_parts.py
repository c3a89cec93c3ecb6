"""Links, memory errors, MIG instances and Xid events of the fake driver."""

from __future__ import annotations

import pytest

from tests.fakes.fake_driver import FakeDriver
from tests.fakes.pynvml_child import Child, eventually

pytestmark = pytest.mark.slow


def test_each_field_has_a_status(fake_driver: FakeDriver, ask: Child) -> None:
    fake_driver.set({"field.186.status": 4, "field.269.value": 77, "gpu.0.power_average_mw": 5000})
    eventually(ask, "field(0, 186)['status']", 4)
    assert ask("field(0, 185)") == {"status": 0, "type": 1, "value": 5000}
    assert ask("field(0, 269)") == {"status": 0, "type": 3, "value": 77}
    assert ask("field(0, 400)['status']") == 3
    assert ask("field(1, 82)['value']") == 61


def test_pcie_counters_advance_and_can_wrap_at_32_bits(fake_driver: FakeDriver, ask: Child) -> None:
    fake_driver.set({"gpu.0.pcie_rx_bytes": 2**32 + 5, "gpu.0.pcie_rx_rate": 0, "gpu.0.pcie_tx_rate": 10**9})
    eventually(ask, "field(0, 198)", {"status": 0, "type": 1, "value": 5})
    fake_driver.set(pcie_counter_bits=64)
    eventually(ask, "field(0, 198)", {"status": 0, "type": 3, "value": 2**32 + 5})
    before = ask("field(0, 197)['value']")
    eventually(ask, f"field(0, 197)['value'] > {before}", True)
    assert ask("n.nvmlDeviceGetPcieThroughput(gpu(0), n.NVML_PCIE_UTIL_TX_BYTES)") == 10**6


def test_each_nvlink_has_a_state_and_counters(fake_driver: FakeDriver, ask: Child) -> None:
    fake_driver.set({"gpu.0.nvlinks": 4, "gpu.0.nvlinks_down": 2, "gpu.0.nvlink_rx_kib_rate": 0})
    fake_driver.set({"gpu.0.nvlink_rx_kib": 1000})
    eventually(ask, "field(0, 139, 0)['value']", 1000)
    assert ask("[n.nvmlDeviceGetNvLinkState(gpu(0), link) for link in range(4)]") == [1, 0, 1, 1]
    assert ask("[code(n.nvmlDeviceGetNvLinkState, gpu(0), link) for link in (4, 18)]") == [3, 2]
    assert ask("field(0, 139, 2**32 - 1)['value']") == 3000
    assert ask("field(0, 139, 7)['status']") == 3
    assert ask("n.nvmlDeviceGetNvLinkVersion(gpu(0), 0)") == 4


def test_each_nvlink_has_another_end(fake_driver: FakeDriver, ask: Child) -> None:
    fake_driver.set({"gpu.0.nvlinks": 3, "gpu.0.nvlink_peers": "1, switch"})
    eventually(ask, "[n.nvmlDeviceGetNvLinkRemoteDeviceType(gpu(0), link) for link in range(3)]", [0, 2, 2])
    assert ask("n.nvmlDeviceGetNvLinkRemotePciInfo(gpu(0), 0).busId") == "00000000:11:00.0"
    assert ask("n.nvmlDeviceGetNvLinkRemotePciInfo(gpu(0), 1).busId") == "00000000:C5:00.0"
    assert ask("code(n.nvmlDeviceGetNvLinkRemotePciInfo, gpu(0), 3)") == 3


def test_memory_errors_retired_pages_and_remapped_rows_are_counted(fake_driver: FakeDriver, ask: Child) -> None:
    fake_driver.set({"gpu.0.ecc_uncorrected_aggregate": 3, "gpu.0.retired_double_bit": 2, "gpu.1.ecc": "off"})
    fake_driver.set({"gpu.0.remapped_pending": 1})
    eventually(ask, "n.nvmlDeviceGetRemappedRows(gpu(0))", [0, 0, 1, 0])
    assert ask("n.nvmlDeviceGetTotalEccErrors(gpu(0), n.NVML_MEMORY_ERROR_TYPE_UNCORRECTED, n.NVML_AGGREGATE_ECC)") == 3
    assert ask("n.nvmlDeviceGetTotalEccErrors(gpu(0), n.NVML_MEMORY_ERROR_TYPE_CORRECTED, n.NVML_AGGREGATE_ECC)") == 0
    assert ask("len(n.nvmlDeviceGetRetiredPages(gpu(0), 1))") == 2
    assert ask("code(n.nvmlDeviceGetTotalEccErrors, gpu(1), 0, 0)") == 3


MIG_SCENARIO = """
gpus = 1
gpu.0.mig = on
gpu.0.mig_instances = 3g.20gb:1:0:19968:4096, -, 1c.2g.10gb:5:1:9856:0:MIG-own
gpu.0.processes = 11:C:100@1.0, 12:C:200@5.1
"""


def test_mig_instances_have_their_own_memory_and_processes(fake_driver: FakeDriver, ask: Child) -> None:
    fake_driver.scenario(MIG_SCENARIO)
    eventually(ask, "n.nvmlDeviceGetMigMode(gpu(0))", [1, 1])
    assert ask("n.nvmlDeviceGetName(mig(0, 0))") == "NVIDIA H100 80GB HBM3 MIG 3g.20gb"
    assert ask("n.nvmlDeviceGetUUID(mig(0, 2))") == "MIG-own"
    assert ask("code(mig, 0, 1)") == 6
    assert ask("[n.nvmlDeviceGetGpuInstanceId(mig(0, 2)), n.nvmlDeviceGetComputeInstanceId(mig(0, 2))]") == [5, 1]
    assert ask("a = n.nvmlDeviceGetAttributes(mig(0, 2));; [a.gpuInstanceSliceCount, a.computeInstanceSliceCount]") == [
        2,
        1,
    ]
    assert ask("m = n.nvmlDeviceGetMemoryInfo(mig(0, 0));; [m.total >> 20, m.used >> 20]") == [19968, 4096]
    assert ask("pids(n.nvmlDeviceGetComputeRunningProcesses(mig(0, 0)))") == [11]
    assert ask("[it.gpuInstanceId for it in n.nvmlDeviceGetComputeRunningProcesses(gpu(0))]") == [1, 5]


def test_gpu_in_mig_mode_has_no_utilization_and_can_refuse_its_memory(fake_driver: FakeDriver, ask: Child) -> None:
    fake_driver.scenario(MIG_SCENARIO + "gpu.0.mig_unprivileged = 1")
    eventually(ask, "code(n.nvmlDeviceGetUtilizationRates, gpu(0))", 3)
    assert ask("code(samples, 0, 0)") == 3
    assert ask("code(n.nvmlDeviceGetMemoryInfo, gpu(0))") == 4
    assert ask("code(n.nvmlDeviceGetComputeRunningProcesses, gpu(0))") == 4
    assert ask("n.nvmlDeviceGetMemoryInfo(mig(0, 0)).total >> 20") == 19968


def test_xid_is_delivered_once_to_each_earlier_listener(fake_driver: FakeDriver, ask: Child) -> None:
    fake_driver.set({"gpu.0.xid": "31@1", "gpus": 2})
    eventually(ask, "n.nvmlDeviceGetCount()", 2)
    ask("e = n.nvmlEventSetCreate(); [n.nvmlDeviceRegisterEvents(gpu(i), 8, e) for i in range(2)];; True")
    assert ask("code(xid, e, 0)") == 10
    ask.send("xid(e, 10000)")
    fake_driver.set({"gpu.0.xid": "31@1,79@2"})
    assert ask.receive() == [79, 8]
    assert ask("code(xid, e, 150)") == 10
    fake_driver.set({"gpu.0.xid": "31@1,79@2,79@3", "gpu.1.xid": "13@1"})
    assert ask("sorted([xid(e, 10000)[0], xid(e, 10000)[0]])") == [13, 79]
    assert ask("n.nvmlEventSetFree(e);; code(xid, e, 0)") == 2
