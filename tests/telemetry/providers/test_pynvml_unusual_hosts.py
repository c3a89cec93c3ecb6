"""The real pynvml on the fake driver: unified memory, MIG, lost GPUs, another order, refused facts."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from monitor.telemetry.schema import Gpu, MigInstance
from tests.fakes.fake_driver import FakeDriver
from tests.support.servers import wait_for
from tests.telemetry.providers.reader import Reader

pytestmark = pytest.mark.slow

MIB = 1 << 20
Open = Callable[..., Reader]


def first(reader: Reader) -> Gpu:
    return reader.read().gpus[0]


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


def instances_once(reader: Reader, are_these: Callable[[tuple[MigInstance, ...]], bool]) -> tuple[MigInstance, ...]:
    """The instances in the first reading that has these; the library checks its scenario now and then."""
    found: tuple[MigInstance, ...] = ()

    def is_read() -> bool:
        nonlocal found
        found = reader.read(after_seconds=10).gpus[0].mig_instances
        return are_these(found)

    wait_for(is_read, "the instances")
    return found


def test_activity_of_a_mig_instance_is_that_of_its_gpu_instance(fake_driver: FakeDriver, open_reader: Open) -> None:
    fake_driver.set(
        {
            "gpu.0.mig": "on",
            "gpu.0.mig_instances": "1c.3g.40gb:1:0:40192:1, 1c.3g.40gb:1:1:40192:1, 1g.10gb:9:0:9728:1",
            "gpu.0.mig_gpm_sm": "873, 0, 12",
            "gpu.0.gpm_dram": "!999",
        },
        gpus=1,
    )
    reader = open_reader("pynvml", fake_driver.env)
    for each in first(reader).mig_instances:
        assert each.sm_activity_percent is None
        assert each.unavailable["sm_activity_percent"] == "needs two readings"
    instances = reader.read(after_seconds=10).gpus[0].mig_instances
    assert [each.sm_activity_percent for each in instances] == [87.3, 87.3, 1.2]
    assert [each.tensor_activity_percent for each in instances] == [12, 12, 12]
    assert instances[0].unavailable["dram_activity_percent"] == "the driver returned an unknown error"
    fake_driver.reset_calls()
    reader.read(after_seconds=10)
    calls = fake_driver.calls()
    assert (calls["nvmlGpmMigSampleGet"], calls["nvmlGpmMetricsGet"]) == (2, 2)


def test_mig_instance_made_anew_is_measured_anew(fake_driver: FakeDriver, open_reader: Open) -> None:
    fake_driver.set({"gpu.0.mig": "on", "gpu.0.mig_instances": "3g.40gb:1:0:40192:1:MIG-1"}, gpus=1)
    reader = open_reader("pynvml", fake_driver.env)
    first(reader)
    assert reader.read(after_seconds=10).gpus[0].mig_instances[0].sm_activity_percent == 35.5
    fake_driver.set({"gpu.0.mig_instances": "4g.40gb:1:0:40192:1:MIG-2"})
    (instance,) = instances_once(reader, lambda instances: instances[0].profile == "4g.40gb")
    assert instance.sm_activity_percent is None
    assert fake_driver.calls()["nvmlGpmSampleFree"] == 2
    assert reader.read(after_seconds=10).gpus[0].mig_instances[0].sm_activity_percent == 35.5


def test_mig_instances_of_a_gpu_without_gpm_say_so_and_are_asked_seldom(
    fake_driver: FakeDriver, open_reader: Open
) -> None:
    """A100; also instances made after the refusal."""
    fake_driver.set({"gpu.0.gpm": 0, "gpu.0.mig": "on", "gpu.0.mig_instances": "3g.20gb:1:0:20096:19"}, gpus=1)
    reader = open_reader("pynvml", fake_driver.env)
    first(reader)
    fake_driver.set({"gpu.0.mig_instances": "3g.20gb:1:0:20096:19, 1g.5gb:9:0:4864:1"})
    instances = instances_once(reader, lambda instances: len(instances) == 2)
    assert [each.unavailable["sm_activity_percent"] for each in instances] == ["not supported by this GPU"] * 2
    fake_driver.reset_calls()
    for _ in range(5):
        reader.read()
    assert [name for name in fake_driver.calls() if "Gpm" in name] == []


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


def test_xid_that_a_gpu_is_lost_with_is_heard_though_it_comes_later(fake_driver: FakeDriver, open_reader: Open) -> None:
    fake_driver.set(gpus=2)
    reader = open_reader("pynvml", fake_driver.env)
    reader.read()
    fake_driver.set({"gpu.1.lost": 1})
    wait_for(lambda: reader.read().gpus[1].state == "lost", "the loss")
    fake_driver.set({"gpu.1.xid": "79@1"})
    gpu = wait_for(lambda: (found := reader.read().gpus[1]).xids and found, "the Xid")
    assert (gpu.state, [xid.code for xid in gpu.xids or ()]) == ("lost", [79])


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
