"""nvidia_gpu_exporter's names: its labels, its units, its numbers for states, and nothing that is unknown."""

from __future__ import annotations

import pytest

from monitor.prometheus.nvidia_smi import GPU_FIELDS, MIG_FIELDS, NOT_EXPORTED, nvidia_smi
from monitor.prometheus.nvidia_smi_processes import compute_apps
from monitor.telemetry.schema import Fan, Gpu, MigInstance, Xid
from tests.prometheus.scrapes import samples_of, values_of
from tests.support.snapshots import GIB, gpu, host, process


def test_units_are_those_of_nvidia_gpu_exporter() -> None:
    values = values_of(nvidia_smi, host(gpu(utilization_percent=57.0, energy_joules=12.5)))
    assert values["nvidia_smi_utilization_gpu_ratio"] == 0.57
    assert values["nvidia_smi_memory_used_bytes"] == 20 * GIB
    assert values["nvidia_smi_clocks_current_sm_clock_hz"] == 990_000_000
    assert values["nvidia_smi_power_draw_watts"] == 350
    assert values["nvidia_smi_energy_joules_total"] == 12.5


def test_facts_are_labels_of_gpu_info_and_join_by_uuid() -> None:
    board = gpu(3, uuid="GPU-AB12", pci_bus_id="0000:3b:00.0", vbios_version="96.00", compute_capability="9.0")
    samples = samples_of(nvidia_smi, host(board, driver_version="580.65.06", cuda_version="13.0"))
    (info,) = samples["nvidia_smi_gpu_info"]
    assert info.value == 1
    assert info.labels == {
        "uuid": "ab12",
        "index": "3",
        "name": "NVIDIA H100 80GB HBM3",
        "driver_version": "580.65.06",
        "cuda_version": "13.0",
        "vbios_version": "96.00",
        "pci_bus_id": "00000000:3B:00.0",
        "compute_cap": "9.0",
    }
    assert samples["nvidia_smi_index"][0].labels == {"uuid": "ab12"}


@pytest.mark.parametrize(
    ("field", "value", "metric", "number"),
    [
        ("performance_state", "P2", "pstate", 2),
        ("performance_state", "unknown", "pstate", None),
        ("compute_mode", "exclusive process", "compute_mode", 3),
        ("recovery_action", "none", "gpu_recovery_action", 0),
        ("recovery_action", "drain and reset", "gpu_recovery_action", 4),
        ("recovery_action", "bus reset", "gpu_recovery_action", None),
        ("fabric_state", "in progress", "fabric_state", 2),
        ("fabric_state", "completed", "fabric_state", 3),
        ("fabric_state", "state 7", "fabric_state", None),
        ("persistence_mode", False, "persistence_mode", 0),
        ("fans", (), "fan_speed_ratio", None),
        ("fans", (Fan(speed_percent=30.0), Fan(speed_percent=70.0), Fan()), "fan_speed_ratio", 0.7),
        ("clock_event_reasons", ("sw_power_cap",), "clocks_event_reasons_sw_power_cap", 1),
        ("clock_event_reasons", ("sw_power_cap",), "clocks_event_reasons_hw_slowdown", 0),
        ("clock_event_reasons", None, "clocks_event_reasons_hw_slowdown", None),
        ("processes", None, "compute_apps", None),
        ("processes", (process(1), process(2, types=("graphics",))), "compute_apps", 1),
    ],
)
def test_states_are_the_exporters_numbers(field: str, value: object, metric: str, number: float | None) -> None:
    """A state that the exporter has no number for is absent, not guessed."""
    assert values_of(nvidia_smi, host(gpu(**{field: value}))).get(f"nvidia_smi_{metric}") == number


def test_while_stale_only_facts_xids_and_the_failure_are_shown() -> None:
    xids = (Xid(code=79, count=2, last_at=990.0),)
    values = values_of(nvidia_smi, host(gpu(xids=xids), stale=True, sampled_at=900.0))
    assert values == {
        "nvidia_smi_last_collect_success": 0,
        "nvidia_smi_last_collect_success_timestamp_seconds": 900,
        "nvidia_smi_compute_apps_last_collect_success": 0,
        "nvidia_smi_gpu_info": 1,
        "nvidia_smi_xid_errors_total": 2,
        "nvidia_smi_xid_last_timestamp_seconds": 990,
    }


def test_lost_gpu_keeps_its_facts() -> None:
    values = values_of(nvidia_smi, host(Gpu(index=0, uuid="GPU-0", name="H100", state="lost")))
    assert set(values) == {
        "nvidia_smi_last_collect_success",
        "nvidia_smi_last_collect_success_timestamp_seconds",
        "nvidia_smi_compute_apps_last_collect_success",
        "nvidia_smi_gpu_info",
        "nvidia_smi_index",
    }


def test_process_lists_count_as_collected_only_if_every_gpu_has_one() -> None:
    name = "nvidia_smi_compute_apps_last_collect_success"
    assert values_of(nvidia_smi, host(gpu(0), gpu(1)))[name] == 1
    assert values_of(nvidia_smi, host(gpu(0), gpu(1, processes=None)))[name] == 0


def test_mig_instances_have_their_facts_and_share_memory_and_activity_of_their_gpu_instance() -> None:
    instances = tuple(
        MigInstance(
            index=number, uuid=f"MIG-A{number}", profile="1c.3g.40gb", gpu_instance_id=1, compute_instance_id=number,
            memory_used_bytes=GIB, sm_activity_percent=87.3,
        )
        for number in range(2)
    )  # fmt: skip
    samples = samples_of(nvidia_smi, host(gpu(uuid="GPU-0", mig_instances=instances)))
    facts = {"uuid": "0", "gpu_instance_id": "1", "profile": "1c.3g.40gb"}
    assert [info.labels for info in samples["nvidia_smi_mig_info"]] == [
        {**facts, "mig_uuid": f"a{number}", "compute_instance_id": str(number)} for number in range(2)
    ]
    (memory,) = samples["nvidia_smi_mig_memory_used_bytes"]
    assert (memory.labels, memory.value) == ({"uuid": "0", "gpu_instance_id": "1"}, GIB)
    (activity,) = samples["nvidia_smi_mig_sm_activity_ratio"]
    assert (activity.labels, activity.value) == (memory.labels, 0.873)
    assert "nvidia_smi_mig_tensor_activity_ratio" not in samples


def test_no_process_is_named_unless_asked_for() -> None:
    snapshot = host(gpu(processes=(process(4711),)), driver_version="580.65.06")
    labels = {label for samples in samples_of(nvidia_smi, snapshot).values() for one in samples for label in one.labels}
    assert labels == {"uuid", "index", "name", "driver_version"}


def test_compute_processes_are_shown_as_far_as_asked_for() -> None:
    """Those with the most memory; a process that only draws has no compute context, and memory unknown is absent."""
    running = (
        process(1, memory_used_bytes=GIB),
        process(2, memory_used_bytes=3 * GIB, name=None),
        process(3, memory_used_bytes=2 * GIB, types=("graphics",)),
        process(4, memory_used_bytes=None),
    )
    snapshot = host(gpu(uuid="GPU-0", processes=running))
    samples = samples_of(lambda snapshot: compute_apps(snapshot, 4), snapshot)
    assert [info.labels for info in samples["nvidia_smi_compute_app_info"]] == [
        {"uuid": "0", "pid": "2", "process_name": ""},
        {"uuid": "0", "pid": "1", "process_name": "python"},
        {"uuid": "0", "pid": "4", "process_name": "python"},
    ]
    used = samples["nvidia_smi_compute_app_used_memory_bytes"]
    assert {(one.labels["pid"], one.value) for one in used} == {("1", GIB), ("2", 3 * GIB)}
    assert list(compute_apps(host(gpu(processes=running), stale=True), 4)) == []
    assert {
        one.labels["pid"] for one in samples_of(lambda s: compute_apps(s, 1), snapshot)["nvidia_smi_compute_app_info"]
    } == {"2"}


def test_names_occur_once_and_are_not_listed_as_missing() -> None:
    names = [field.name for field in (*GPU_FIELDS, *MIG_FIELDS)]
    assert len(names) == len(set(names))
    assert not set(names) & set(NOT_EXPORTED)
