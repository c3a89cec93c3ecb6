"""dcgm-exporter's names: its labels, its units, and nothing that is unknown."""

from __future__ import annotations

from prometheus_client.metrics_core import Metric

from monitor.prometheus.dcgm import ACTIVITY_FIELDS, GPU_FIELDS, MEMORY_FIELDS, NOT_EXPORTED, dcgm
from monitor.telemetry.schema import Gpu, MigInstance, Xid
from tests.prometheus.scrapes import samples_of, values_of
from tests.support.snapshots import GIB, gpu, host


def test_units_are_those_of_dcgm() -> None:
    board = gpu(memory_reserved_bytes=GIB // 2, energy_joules=12.5, tensor_activity_percent=57.0)
    values = values_of(dcgm, host(board))
    assert values["DCGM_FI_DEV_FB_USED"] == 20 * 1024
    assert values["DCGM_FI_DEV_FB_RESERVED"] == 512
    assert values["DCGM_FI_DEV_SM_CLOCK"] == 990
    assert values["DCGM_FI_DEV_GPU_UTIL"] == 50
    assert values["DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION"] == 12_500
    assert values["DCGM_FI_PROF_PIPE_TENSOR_ACTIVE"] == 0.57


def test_labels_are_those_of_dcgm_exporter_before_and_after_the_rename_of_hostname() -> None:
    snapshot = host(gpu(3, uuid="GPU-ab", pci_bus_id="0000:3b:00.0"), driver_version="580.65.06")
    (sample,) = samples_of(dcgm, snapshot)["DCGM_FI_DEV_GPU_TEMP"]
    assert sample.labels == {
        "gpu": "3",
        "UUID": "GPU-ab",
        "pci_bus_id": "00000000:3B:00.0",
        "device": "nvidia3",
        "modelName": "NVIDIA H100 80GB HBM3",
        "Hostname": "dgx",
        "hostname": "dgx",
        "DCGM_FI_DRIVER_VERSION": "580.65.06",
    }


def test_unknown_is_absent_and_zero_is_zero() -> None:
    values = values_of(dcgm, host(gpu(temperature_celsius=None, utilization_percent=0.0)))
    assert "DCGM_FI_DEV_GPU_TEMP" not in values
    assert values["DCGM_FI_DEV_GPU_UTIL"] == 0


def test_stale_or_lost_gpus_have_no_values() -> None:
    assert samples_of(dcgm, host(gpu(), stale=True)) == {}
    assert samples_of(dcgm, host(Gpu(index=0, uuid="GPU-0", name="H100", state="lost"))) == {}


def test_memory_of_mig_is_that_of_each_gpu_instance_once() -> None:
    """Compute instances of one GPU instance share its memory: twice in the sum would be wrong."""
    instances = (
        MigInstance(index=0, profile="1c.3g.40gb", gpu_instance_id=1, compute_instance_id=0, memory_used_bytes=GIB),
        MigInstance(index=1, profile="1c.3g.40gb", gpu_instance_id=1, compute_instance_id=1, memory_used_bytes=GIB),
        MigInstance(index=2, profile="1g.10gb", gpu_instance_id=9, compute_instance_id=0, memory_used_bytes=0),
    )
    samples = samples_of(dcgm, host(gpu(mig_mode=True, mig_instances=instances)))
    memories = samples["DCGM_FI_DEV_FB_USED"]
    assert [(one.labels["GPU_I_ID"], one.labels["GPU_I_PROFILE"], one.value) for one in memories] == [
        ("1", "3g.40gb", 1024),
        ("9", "1g.10gb", 0),
    ]
    (power,) = samples["DCGM_FI_DEV_POWER_USAGE"]
    assert "GPU_I_ID" not in power.labels


def test_activity_of_mig_is_that_of_each_gpu_instance_once() -> None:
    shared = {"profile": "1c.3g.40gb", "gpu_instance_id": 1, "sm_activity_percent": 87.3}
    instances = (
        MigInstance(index=0, compute_instance_id=0, **shared),
        MigInstance(index=1, compute_instance_id=1, **shared),
        MigInstance(index=2, profile="1g.10gb", gpu_instance_id=9, sm_activity_percent=0),
        MigInstance(index=3, profile="1g.10gb", gpu_instance_id=10),
    )
    split = gpu(0, mig_mode=True, mig_instances=instances)
    samples = samples_of(dcgm, host(split, gpu(1, sm_activity_percent=50.0)))
    assert [
        (one.labels["gpu"], one.labels.get("GPU_I_ID"), one.labels.get("GPU_I_PROFILE"), one.value)
        for one in samples["DCGM_FI_PROF_SM_ACTIVE"]
    ] == [("1", None, None, 0.5), ("0", "1", "3g.40gb", 0.873), ("0", "9", "1g.10gb", 0)]


def test_mig_instances_without_memory_readings_leave_those_of_the_gpu() -> None:
    instances = (MigInstance(index=0, profile="1g.10gb", gpu_instance_id=9),)
    (memory,) = samples_of(dcgm, host(gpu(mig_instances=instances)))["DCGM_FI_DEV_FB_USED"]
    assert memory.value == 20 * 1024


def test_the_latest_xid_is_shown_and_none_only_where_xids_are_heard() -> None:
    xids = (Xid(code=79, count=1, last_at=20.0), Xid(code=13, count=5, last_at=10.0))
    snapshot = host(gpu(0, xids=xids), gpu(1, xids=()), gpu(2))
    assert [
        (one.labels["gpu"], one.labels["err_code"], one.value)
        for one in samples_of(dcgm, snapshot)["DCGM_FI_DEV_XID_ERRORS"]
    ] == [
        ("0", "79", 79),
        ("1", "0", 0),
    ]


def test_names_occur_once_and_are_not_listed_as_missing() -> None:
    names = [field.name for field in (*GPU_FIELDS, *ACTIVITY_FIELDS, *MEMORY_FIELDS)]
    assert len(names) == len(set(names))
    assert not set(names) & set(NOT_EXPORTED)


def test_names_are_not_changed_by_the_type() -> None:
    """A counter would get `_total`, which dashboards for dcgm-exporter do not know."""
    board = gpu(energy_joules=1.0, pcie_replays=1, ecc_corrected_volatile=1, remapped_rows_corrected=1)
    metrics: list[Metric] = list(dcgm(host(board)))
    assert {metric.name for metric in metrics} == {sample.name for metric in metrics for sample in metric.samples}
