"""gpumon's own names: `gpumon_gpu_` with the field of the schema, in Prometheus' base units.

Of a stale reading only what is true without it has samples: facts, states, the Xids reported so far, and the age.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple, get_args

from prometheus_client.metrics_core import Metric

from monitor.prometheus.families import Labels, counter, gauge, info
from monitor.prometheus.fields import metrics_of
from monitor.prometheus.own_fields import CONTAINER_FIELDS, FAN_FIELDS, GPU_FIELDS, HOST_FIELDS, MIG_FIELDS
from monitor.telemetry.clock_events import CLOCK_EVENT_REASONS
from monitor.telemetry.sampler.roster import FACTS
from monitor.telemetry.schema import Gpu, GpuState, GpuUse, Snapshot, System

_ECC = tuple(
    (f"ecc_{kind}_{since}", {"type": kind, "counter": since})
    for kind in ("corrected", "uncorrected")
    for since in ("volatile", "aggregate")
)

_WORDS = (
    (
        "gpumon_gpu_recovery_action",
        "recovery_action",
        "1 for the action that the driver recommends; only that action has a series.",
    ),
    (
        "gpumon_gpu_fabric_state",
        "fabric_state",
        "1 for the state of its registration with the NVLink fabric; only that state has a series.",
    ),
    (
        "gpumon_gpu_fabric_status",
        "fabric_status",
        "1 for success or the error with which that registration has completed; only that status has a series.",
    ),
)
"""Name, field of the schema and documentation. The last word of the name is the label."""


class LabelledGpu(NamedTuple):
    """A GPU and the labels that all its series have."""

    gpu: Gpu
    labels: Labels


def own(snapshot: Snapshot) -> Iterable[Metric]:
    """The readings, GPUs and host of this snapshot."""
    gpus = [LabelledGpu(gpu, labels_of(gpu)) for gpu in snapshot.gpus]
    yield from _readings(snapshot)
    yield from _lasting(gpus)
    yield from metrics_of([field for field in GPU_FIELDS if field.source in FACTS or not snapshot.stale], gpus)
    if not snapshot.stale:
        yield from _momentary(gpus)
    if snapshot.system is not None:
        yield from _host(snapshot.host, snapshot.system)


def labels_of(gpu: Gpu) -> Labels:
    """The labels of all series of a GPU."""
    return {"gpu": str(gpu.index), "uuid": gpu.uuid}


def _readings(snapshot: Snapshot) -> Iterator[Metric]:
    yield from gauge("gpumon_readings_stale", "1 if the GPU readings are too old.", [({}, snapshot.stale)])
    yield from gauge("gpumon_reading_age_seconds", "Age of the GPU readings.", [({}, snapshot.age_seconds)])
    yield from gauge(
        "gpumon_reading_timestamp_seconds",
        "When the GPUs were last read, in Unix seconds.",
        [({}, snapshot.sampled_at)],
    )
    yield from gauge(
        "gpumon_poll_interval_seconds", "Time between two readings.", [({}, snapshot.poll_interval_seconds)]
    )
    count = None if snapshot.sampled_at is None else len(snapshot.gpus)
    yield from gauge("gpumon_gpus", "GPUs of the host, lost ones too.", [({}, count)])
    driver = {
        "provider": snapshot.provider,
        "driver_version": snapshot.driver_version,
        "cuda_version": snapshot.cuda_version,
        "simulated": "true" if snapshot.is_simulated else None,
    }
    if snapshot.provider is not None:
        yield from info("gpumon_driver_info", "What reads the GPUs, and the driver's versions.", [driver])


# ── GPUs ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _lasting(gpus: Sequence[LabelledGpu]) -> Iterator[Metric]:
    """What is true of a GPU while it is not read, beside the numbers."""
    facts = ("name", "pci_bus_id", "architecture", "brand", "compute_capability", "vbios_version", "compute_mode")
    yield from info(
        "gpumon_gpu_info",
        "Facts about the GPU.",
        ({**labels, **{fact: getattr(gpu, fact) for fact in facts}} for gpu, labels in gpus),
    )
    yield from gauge("gpumon_gpu_state", "1 for the state of the GPU.", _one_of(gpus, "state", GpuState))
    yield from gauge(
        "gpumon_gpu_state_since_timestamp_seconds",
        "When the GPU was found lost or asleep, in Unix seconds.",
        ((labels, gpu.since) for gpu, labels in gpus),
    )
    xids = [({**labels, "xid": str(xid.code)}, xid) for gpu, labels in gpus for xid in gpu.xids or ()]
    yield from counter(
        "gpumon_gpu_xid_errors_total",
        "Xid errors reported since gpumon began to listen.",
        ((labels, xid.count) for labels, xid in xids),
    )
    yield from gauge(
        "gpumon_gpu_xid_last_time_seconds",
        "When the Xid error was last reported, in Unix seconds.",
        ((labels, xid.last_at) for labels, xid in xids),
    )


def _momentary(gpus: Sequence[LabelledGpu]) -> Iterator[Metric]:
    """What only a reading shows, beside the numbers."""
    yield from gauge("gpumon_gpu_use", "1 for the use of the GPU.", _one_of(gpus, "use", GpuUse))
    yield from gauge(
        "gpumon_gpu_bottleneck",
        "1 for what slows the GPU down most; only that code has a series.",
        (({**labels, "code": gpu.bottleneck.code}, 1) for gpu, labels in gpus if gpu.bottleneck is not None),
    )
    yield from counter(
        "gpumon_gpu_ecc_errors_total",
        "ECC errors since the driver was loaded (volatile) or in the life of the board (aggregate).",
        (({**labels, **kind}, getattr(gpu, field)) for gpu, labels in gpus for field, kind in _ECC),
    )
    yield from gauge(
        "gpumon_gpu_clock_event_reason",
        "1 if clocks are below the maximum for this reason.",
        (
            ({**labels, "reason": reason}, reason in gpu.clock_event_reasons)
            for gpu, labels in gpus
            if gpu.clock_event_reasons is not None
            for reason in dict.fromkeys((*CLOCK_EVENT_REASONS.values(), *gpu.clock_event_reasons))
        ),
    )
    for name, field, documentation in _WORDS:
        label = name.rpartition("_")[2]
        yield from gauge(
            name,
            documentation,
            (({**labels, label: word}, 1) for gpu, labels in gpus if (word := getattr(gpu, field)) is not None),
        )
    fans = [(fan, {**labels, "fan": str(number)}) for gpu, labels in gpus for number, fan in enumerate(gpu.fans or ())]
    yield from metrics_of(FAN_FIELDS, fans)
    yield from _mig_instances(gpus)


def _one_of(gpus: Iterable[LabelledGpu], field: str, literal: object) -> Iterator[tuple[Labels, float]]:
    """A series for each value that the field can have; 1 for the one it has."""
    for gpu, labels in gpus:
        current = getattr(gpu, field)
        for value in get_args(literal):
            yield {**labels, field: value}, value == current


def _mig_instances(gpus: Sequence[LabelledGpu]) -> Iterator[Metric]:
    instances = [
        (instance, {**labels, "mig_instance": str(instance.index)})
        for gpu, labels in gpus
        for instance in gpu.mig_instances
    ]
    yield from info(
        "gpumon_gpu_mig_instance_info",
        "Facts about the MIG instance.",
        (
            {**labels, "mig_uuid": instance.uuid, "name": instance.name, "profile": instance.profile}
            for instance, labels in instances
        ),
    )
    yield from metrics_of(MIG_FIELDS, instances)


# ── Host ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _host(name: str, system: System) -> Iterator[Metric]:
    yield from info("gpumon_host_info", "Facts about the host.", [{"host": name, "os": system.os_name}])
    yield from metrics_of(HOST_FIELDS, [(system, {})])
    yield from gauge(
        "gpumon_host_cpu_core_ratio",
        "Utilization of each logical core of the host.",
        (({"core": str(core)}, percent / 100) for core, percent in enumerate(system.cpu_core_percents or ())),
    )
    if system.container is not None:
        yield from metrics_of(CONTAINER_FIELDS, [(system.container, {})])
