"""gpumon's own names: every number of the schema, in base units, and nothing that is unknown."""

from __future__ import annotations

import time

import msgspec
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics_families
from prometheus_client.parser import text_string_to_metric_families

from monitor.prometheus.own import own
from monitor.prometheus.own_fields import CONTAINER_FIELDS, FAN_FIELDS, GPU_FIELDS, HOST_FIELDS, MIG_FIELDS
from monitor.prometheus.stage import MetricsStage
from monitor.sanitize import plain
from monitor.telemetry.options import Options
from monitor.telemetry.providers.simulated import Simulated
from monitor.telemetry.sampler.roster import facts_only
from monitor.telemetry.schema import (
    Bottleneck,
    ContainerLimits,
    Fan,
    Gpu,
    MigInstance,
    NvLink,
    Snapshot,
    System,
    Xid,
)
from tests.prometheus.promtool import complaints
from tests.prometheus.scrapes import samples_of, values_of
from tests.support.hostile import NAMES
from tests.support.snapshots import GIB, gpu, host, process

IN_LABELS = {
    "index", "uuid", "name", "pci_bus_id", "architecture", "brand", "compute_capability", "vbios_version", "compute_mode",
    "state", "use", "recovery_action", "fabric_state", "fabric_status", "clock_event_reasons", "bottleneck",
}  # fmt: skip
MADE_OTHERWISE = {
    "since", "xids", "fans", "mig_instances", "ecc_corrected_volatile", "ecc_uncorrected_volatile", "ecc_corrected_aggregate",
    "ecc_uncorrected_aggregate", "cpu_core_percents", "container", "os_name", "profile",
}  # fmt: skip
LEFT_OUT = {
    "uuid_is_substitute": "it shows in the UUID",
    "read_at": "while a GPU is not read, its values are absent",
    "serial_number": "it is the board's, and no one has to see it on every chart",
    "gpu_instance_id": "the MIG instance's UUID identifies it",
    "compute_instance_id": "the MIG instance's UUID identifies it",
    "ended_processes": "no series outlives its process",
    "unavailable": "no number",
}


def names_of(snapshot: Snapshot) -> set[str]:
    return set(samples_of(own, snapshot))


def body_of(snapshot: Snapshot, accept: str = "", **given: int) -> str:
    stage = MetricsStage()
    stage.take(snapshot)
    return stage.body(["own"], accept, has_details=True, most_processes=given.get("processes", 0)).plain.decode()


@pytest.mark.parametrize(
    ("struct", "fields"),
    [
        (Gpu, GPU_FIELDS),
        (Fan, FAN_FIELDS),
        (MigInstance, MIG_FIELDS),
        (System, HOST_FIELDS),
        (ContainerLimits, CONTAINER_FIELDS),
    ],
)
def test_every_field_of_the_schema_has_a_metric_or_a_reason(
    struct: type[msgspec.Struct], fields: tuple[object, ...]
) -> None:
    sources = {getattr(field, "source", "") for field in fields}
    assert {field.name for field in msgspec.structs.fields(struct)} - sources <= IN_LABELS | MADE_OTHERWISE | {
        *LEFT_OUT
    }
    assert sources <= {field.name for field in msgspec.structs.fields(struct)}


def test_names_have_base_units() -> None:
    board = gpu(
        energy_joules=12.5,
        memory_clock_mhz=2619.0,
        fans=(Fan(speed_percent=42.0), Fan(speed_rpm=1061.0)),
        pcie_rx_bytes_per_second=5e9,
        performance_state="P2",
        nvlinks=(NvLink(link=0, is_active=True), NvLink(link=3, is_active=False)),
        bottleneck=Bottleneck(code="power_limit", text="Power limit"),
        persistence_mode=True,
    )
    text = body_of(host(board, system=System(load_1m=1.5, cpu_percent=33.3)))
    for line in (
        'gpumon_gpu_utilization_ratio{gpu="0",uuid="GPU-0"} 0.5',
        'gpumon_gpu_memory_used_bytes{gpu="0",uuid="GPU-0"} 2.147483648e+10',
        'gpumon_gpu_sm_clock_hertz{gpu="0",uuid="GPU-0"} 9.9e+08',
        'gpumon_gpu_energy_joules_total{gpu="0",uuid="GPU-0"} 12.5',
        'gpumon_gpu_fan_speed_ratio{fan="0",gpu="0",uuid="GPU-0"} 0.42',
        'gpumon_gpu_fan_speed_rpm{fan="1",gpu="0",uuid="GPU-0"} 1061.0',
        'gpumon_gpu_performance_state{gpu="0",uuid="GPU-0"} 2.0',
        'gpumon_gpu_nvlinks_active{gpu="0",uuid="GPU-0"} 1.0',
        'gpumon_gpu_bottleneck{code="power_limit",gpu="0",uuid="GPU-0"} 1.0',
        'gpumon_gpu_persistence_mode{gpu="0",uuid="GPU-0"} 1.0',
        "gpumon_host_load1 1.5",
        "gpumon_host_cpu_ratio 0.333",
    ):
        assert f"\n{line}\n" in text


def test_unknown_is_absent_and_zero_is_zero() -> None:
    names = names_of(host(Gpu(index=0, uuid="GPU-0", name="H100")))
    of_gpus = {name for name in names if name.startswith("gpumon_gpu_")}
    assert of_gpus == {"gpumon_gpu_info", "gpumon_gpu_state", "gpumon_gpu_use", "gpumon_gpu_memory_is_unified"}
    idle = values_of(own, host(gpu(utilization_percent=0.0, power_watts=None, ecc_corrected_volatile=0)))
    assert idle["gpumon_gpu_utilization_ratio"] == 0
    assert idle["gpumon_gpu_ecc_errors_total"] == 0
    assert "gpumon_gpu_power_watts" not in idle


def test_stale_reading_keeps_facts_states_xids_and_its_age_only() -> None:
    board = gpu(xids=(Xid(code=79, count=1, last_at=990.0),), energy_joules=1.0, mig_mode=False)
    stale = host(board, stale=True, age_seconds=40.0, system=System(cpu_percent=5.0))
    values = values_of(own, stale)
    assert values["gpumon_readings_stale"] == 1
    assert values["gpumon_reading_age_seconds"] == 40
    assert values["gpumon_gpu_memory_total_bytes"] == 80 * GIB
    assert values["gpumon_gpu_xid_errors_total"] == 1
    assert values["gpumon_gpu_xid_last_time_seconds"] == 990
    assert values["gpumon_host_cpu_ratio"] == 0.05
    momentary = {
        "utilization_ratio",
        "memory_used_bytes",
        "power_watts",
        "temperature_celsius",
        "use",
        "energy_joules_total",
    }
    assert {f"gpumon_gpu_{name}" for name in momentary} <= names_of(host(board))
    assert {f"gpumon_gpu_{name}" for name in momentary} & values.keys() == set()


@pytest.mark.parametrize("state", ["lost", "asleep"])
def test_gpu_that_is_not_read_keeps_its_state_and_facts(state: str) -> None:
    known = gpu(energy_joules=5.0, pci_bus_id="0000:3b:00.0")
    away = facts_only(known, state=state, since=950.0, read_at=940.0, reason="away")  # type: ignore[arg-type]
    samples = samples_of(own, host(away, gpu(1)))
    states = {(one.labels["gpu"], one.labels["state"]): one.value for one in samples["gpumon_gpu_state"]}
    assert {key for key, value in states.items() if value} == {("0", state), ("1", "ok")}
    assert samples["gpumon_gpu_info"][0].labels["pci_bus_id"] == "0000:3b:00.0"
    assert samples["gpumon_gpu_state_since_timestamp_seconds"][0].value == 950
    for name in ("utilization_ratio", "memory_used_bytes", "power_watts"):
        assert [one.labels["gpu"] for one in samples[f"gpumon_gpu_{name}"]] == ["1"]


def test_every_reason_for_low_clocks_has_a_series_if_they_are_known() -> None:
    samples = samples_of(own, host(gpu(clock_event_reasons=("sw_power_cap", "0x800")), gpu(1)))
    values = {one.labels["reason"]: one.value for one in samples["gpumon_gpu_clock_event_reason"]}
    assert {reason for reason, value in values.items() if value} == {"sw_power_cap", "0x800"}
    assert values["hw_thermal_slowdown"] == 0
    assert {one.labels["gpu"] for one in samples["gpumon_gpu_clock_event_reason"]} == {"0"}


def test_words_of_the_driver_are_labels() -> None:
    words = {"recovery_action": "reset", "fabric_state": "completed", "fabric_status": "success"}
    samples = samples_of(own, host(gpu(0, **words), gpu(1)))
    for name, (label, word) in {
        "recovery_action": ("action", "reset"),
        "fabric_state": ("state", "completed"),
        "fabric_status": ("status", "success"),
    }.items():
        (sample,) = samples[f"gpumon_gpu_{name}"]
        assert (sample.labels, sample.value) == ({"gpu": "0", "uuid": "GPU-0", label: word}, 1)


def test_mig_instances_have_series_of_their_own() -> None:
    instance = MigInstance(
        index=2,
        uuid="MIG-1",
        profile="1g.10gb",
        memory_used_bytes=GIB,
        memory_total_bytes=10 * GIB,
        sm_activity_percent=87.3,
    )
    samples = samples_of(own, host(gpu(mig_mode=True, mig_instances=(instance,), utilization_percent=None)))
    (used,) = samples["gpumon_gpu_mig_instance_memory_used_bytes"]
    assert (used.labels, used.value) == ({"gpu": "0", "uuid": "GPU-0", "mig_instance": "2"}, GIB)
    assert samples["gpumon_gpu_mig_instance_info"][0].labels["profile"] == "1g.10gb"
    assert samples["gpumon_gpu_mig_instance_sm_activity_ratio"][0].value == 0.873
    assert "gpumon_gpu_mig_instance_memory_free_bytes" not in samples
    assert "gpumon_gpu_utilization_ratio" not in samples


def test_host_without_gpus_and_server_before_its_first_reading() -> None:
    assert values_of(own, host())["gpumon_gpus"] == 0
    before = host(sampled_at=None, provider=None, gpus=())
    assert "gpumon_gpus" not in names_of(before)
    assert "gpumon_reading_timestamp_seconds" not in names_of(before)


def test_simulated_readings_say_so() -> None:
    (driver,) = samples_of(own, host(gpu(), provider="simulated", is_simulated=True))["gpumon_driver_info"]
    assert driver.labels == {"provider": "simulated", "simulated": "true"}


@pytest.mark.parametrize("name", [plain(name) for name in NAMES] + ['a"b\\c\nd'])
def test_hostile_names_are_label_values_and_nothing_else(name: str) -> None:
    snapshot = host(
        gpu(name=name, uuid=name, pci_bus_id=name, processes=(process(1, name=name, user=name),)), driver_version=name
    )
    for accept, families in (
        ("", text_string_to_metric_families),
        ("application/openmetrics-text", openmetrics_families),
    ):
        found = {
            sample.name: sample for each in families(body_of(snapshot, accept, processes=1)) for sample in each.samples
        }
        assert found["gpumon_gpu_info"].labels["name"] == name
        assert found["gpumon_gpu_utilization_ratio"].labels["uuid"] == name
        assert found["gpumon_process_memory_used_bytes"].labels["user"] == name


def test_64_gpus_have_at_most_6000_series() -> None:
    provider = Simulated(Options(simulated_gpus=64))
    provider.open()
    gpus = [
        msgspec.structs.replace(
            each, hotspot_temperature_celsius=90.0, retired_pages=0, xids=(Xid(code=79, count=1, last_at=1.0),)
        )
        for each in provider.read(time.time()).gpus
    ]
    system = System(cpu_core_percents=(50.0,) * 256, cpu_percent=50.0)
    text = body_of(host(*gpus, system=system))
    assert sum(not line.startswith("#") for line in text.splitlines()) <= 6000


@pytest.mark.slow
def test_promtool_accepts_the_metrics() -> None:
    provider = Simulated(Options(simulated_gpus=8))
    provider.open()
    gpus = provider.read(time.time()).gpus
    board = gpu(
        9, xids=(Xid(code=79, count=1, last_at=990.0),), fans=(Fan(speed_percent=4.0, speed_rpm=900.0),), since=9.0
    )
    limits = ContainerLimits(cpu_limit_cores=2.0, memory_limit_bytes=GIB)
    system = System(cpu_percent=5.0, cpu_core_percents=(5.0,), load_1m=1.0, booted_at=1.0, container=limits)
    snapshot = host(*gpus, board, system=system, driver_version="580", poll_interval_seconds=1.0, age_seconds=0.1)
    assert complaints(body_of(snapshot, processes=9)) == ""


# ── Processes ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def of_processes(snapshot: Snapshot, **given: int) -> list[dict[str, str]]:
    families = text_string_to_metric_families(body_of(snapshot, **given))
    return [one.labels for each in families for one in each.samples if one.name == "gpumon_process_memory_used_bytes"]


@pytest.fixture
def crowded() -> Snapshot:
    """A GPU with three processes, the last of which has ended but still holds memory."""
    held = (process(1, memory_used_bytes=1), process(2, memory_used_bytes=5), process(3, status="gone"))
    return host(gpu(processes=held))


def test_processes_have_no_series_unless_asked_for(crowded: Snapshot) -> None:
    text = body_of(crowded)
    assert 'gpumon_gpu_processes{gpu="0",uuid="GPU-0"} 3.0' in text
    assert "gpumon_process_" not in text
    assert all(word not in text for word in ("ana", "python", "train.py"))


def test_processes_are_those_with_the_most_memory_and_without_command_lines(crowded: Snapshot) -> None:
    (shown,) = of_processes(crowded, processes=1)
    assert shown == {"gpu": "0", "uuid": "GPU-0", "pid": "2", "user": "ana", "name": "python"}
    assert [labels["pid"] for labels in of_processes(crowded, processes=100)] == ["2", "1"]


def test_viewer_without_details_sees_no_processes(crowded: Snapshot) -> None:
    stage = MetricsStage()
    stage.take(crowded)
    assert b"gpumon_process_" not in stage.body(["own"], "", has_details=False, most_processes=9).plain


def test_process_of_several_mig_instances_has_a_series_for_each() -> None:
    twice = tuple(process(7, mig_instance=number) for number in (0, 1))
    shown = of_processes(host(gpu(processes=twice)), processes=9)
    assert [labels["mig_instance"] for labels in shown] == ["0", "1"]
