"""gpumon's own names: `gpumon_gpu_` with the field of the schema, in Prometheus' base units.

Of a stale reading only what is true without it has samples: facts, states, the Xids reported so far, and the age.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, get_args

from prometheus_client.metrics_core import Metric

from monitor.prometheus.families import Labels, counter, gauge, info
from monitor.prometheus.own_numbers import (
    CONTAINER_GAUGES,
    GPU_COUNTERS,
    GPU_GAUGES,
    HOST_GAUGES,
    MIG_GAUGES,
    converter_of,
    name_of,
)
from monitor.telemetry.clock_events import CLOCK_EVENT_REASONS
from monitor.telemetry.sampler.roster import FACTS
from monitor.telemetry.schema import Gpu, GpuState, GpuUse, Snapshot, System

_ECC = tuple(
    (f"ecc_{type_}_{counter_}", {"type": type_, "counter": counter_})
    for type_ in ("corrected", "uncorrected")
    for counter_ in ("volatile", "aggregate")
)


class Labelled(NamedTuple):
    """A GPU and the labels that all its series have."""

    gpu: Gpu
    labels: Labels


def own(snapshot: Snapshot) -> Iterable[Metric]:
    """The readings, GPUs and host of this snapshot."""
    gpus = [Labelled(gpu, labels_of(gpu)) for gpu in snapshot.gpus]
    yield from _readings(snapshot)
    yield from _lasting(gpus)
    if not snapshot.stale:
        yield from _momentary(gpus)
    for field, documentation in GPU_GAUGES.items():
        if field in FACTS or not snapshot.stale:
            yield from gauge(f"gpumon_gpu_{name_of(field)}", documentation, _values(gpus, field))
    if snapshot.system is not None:
        yield from _host(snapshot.host, snapshot.system)


def labels_of(gpu: Gpu) -> Labels:
    """The labels of all series of a GPU."""
    return {"gpu": str(gpu.index), "uuid": gpu.uuid}


def _values(gpus: Iterable[tuple[Any, Labels]], field: str) -> Iterator[tuple[Labels, float | None]]:
    """A field of each GPU, or of something else with labels."""
    convert = converter_of(field)
    for each, labels in gpus:
        value = getattr(each, field)
        yield labels, None if value is None else convert(value)


def _readings(snapshot: Snapshot) -> Iterator[Metric]:
    yield from gauge("gpumon_readings_stale", "1 if the GPU readings are too old.", [({}, float(snapshot.stale))])
    yield from gauge("gpumon_reading_age_seconds", "Age of the GPU readings.", [({}, snapshot.age_seconds)])
    yield from gauge(
        "gpumon_reading_timestamp_seconds",
        "When the GPUs were last read, in Unix seconds.",
        [({}, snapshot.sampled_at)],
    )
    yield from gauge(
        "gpumon_poll_interval_seconds", "Time between two readings.", [({}, snapshot.poll_interval_seconds)]
    )
    if snapshot.sampled_at is not None:
        yield from gauge("gpumon_gpus", "GPUs of the host, lost ones too.", [({}, len(snapshot.gpus))])
    driver = {
        "provider": snapshot.provider,
        "driver_version": snapshot.driver_version,
        "cuda_version": snapshot.cuda_version,
        "simulated": "true" if snapshot.is_simulated else None,
    }
    if snapshot.provider is not None:
        yield from info("gpumon_driver_info", "What reads the GPUs, and the driver's versions.", [driver])


# ── GPUs ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _lasting(gpus: Sequence[Labelled]) -> Iterator[Metric]:
    """What is true of a GPU while it is not read."""
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


def _momentary(gpus: Sequence[Labelled]) -> Iterator[Metric]:
    """What only a reading shows, beside the numbers."""
    yield from gauge("gpumon_gpu_use", "1 for the use of the GPU.", _one_of(gpus, "use", GpuUse))
    yield from gauge(
        "gpumon_gpu_bottleneck",
        "1 for what slows the GPU down most; only that code has a series.",
        (({**labels, "code": gpu.bottleneck.code}, 1) for gpu, labels in gpus if gpu.bottleneck is not None),
    )
    for field, documentation in GPU_COUNTERS.items():
        yield from counter(f"gpumon_gpu_{field}_total", documentation, _values(gpus, field))
    yield from counter(
        "gpumon_gpu_ecc_errors_total",
        "ECC errors since the driver was loaded (volatile) or in the life of the board (aggregate).",
        (({**labels, **kind}, getattr(gpu, field)) for gpu, labels in gpus for field, kind in _ECC),
    )
    yield from gauge(
        "gpumon_gpu_clock_event_reason",
        "1 if clocks are below the maximum for this reason.",
        (
            ({**labels, "reason": reason}, float(reason in gpu.clock_event_reasons))
            for gpu, labels in gpus
            if gpu.clock_event_reasons is not None
            for reason in dict.fromkeys((*CLOCK_EVENT_REASONS.values(), *gpu.clock_event_reasons))
        ),
    )
    yield from gauge(
        "gpumon_gpu_performance_state",
        "Performance state: 0 (fastest) to 15.",
        ((labels, _number_of(gpu.performance_state)) for gpu, labels in gpus),
    )
    yield from gauge(
        "gpumon_gpu_recovery_action",
        "1 for the action that the driver recommends; only that action has a series.",
        (({**labels, "action": gpu.recovery_action}, 1) for gpu, labels in gpus if gpu.recovery_action is not None),
    )
    yield from gauge(
        "gpumon_gpu_processes",
        "Processes with a context on the GPU.",
        ((labels, None if gpu.processes is None else len(gpu.processes)) for gpu, labels in gpus),
    )
    yield from _fans(gpus)
    yield from _nvlinks(gpus)
    yield from _mig_instances(gpus)


def _one_of(gpus: Iterable[Labelled], field: str, literal: object) -> Iterator[tuple[Labels, float]]:
    """A series for each value that the field can have; 1 for the one it has."""
    for gpu, labels in gpus:
        current = getattr(gpu, field)
        for value in get_args(literal):
            yield {**labels, field: value}, float(value == current)


def _number_of(performance_state: str | None) -> float | None:
    digits = (performance_state or "").removeprefix("P")
    return float(digits) if digits.isascii() and digits.isdecimal() else None


def _fans(gpus: Iterable[Labelled]) -> Iterator[Metric]:
    fans = [(fan, {**labels, "fan": str(number)}) for gpu, labels in gpus for number, fan in enumerate(gpu.fans or ())]
    yield from gauge("gpumon_gpu_fan_speed_ratio", "Intended speed of the fan.", _values(fans, "speed_percent"))
    yield from gauge("gpumon_gpu_fan_speed_rpm", "Turns of the fan per minute.", _values(fans, "speed_rpm"))


def _nvlinks(gpus: Sequence[Labelled]) -> Iterator[Metric]:
    """Not each of up to 18 links of a GPU: their traffic is summed in nvlink_…_bytes_per_second."""
    known = [(gpu.nvlinks, labels) for gpu, labels in gpus if gpu.nvlinks is not None]
    yield from gauge("gpumon_gpu_nvlinks", "NVLinks of the GPU.", ((labels, len(links)) for links, labels in known))
    yield from gauge(
        "gpumon_gpu_nvlinks_active",
        "NVLinks of the GPU that are up.",
        ((labels, sum(link.is_active for link in links)) for links, labels in known),
    )


def _mig_instances(gpus: Sequence[Labelled]) -> Iterator[Metric]:
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
    for field, documentation in MIG_GAUGES.items():
        yield from gauge(f"gpumon_gpu_mig_instance_{name_of(field)}", documentation, _values(instances, field))


# ── Host ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _host(name: str, system: System) -> Iterator[Metric]:
    yield from info("gpumon_host_info", "Facts about the host.", [{"host": name, "os": system.os_name}])
    yield from _numbers("gpumon_host_", HOST_GAUGES, system)
    yield from gauge(
        "gpumon_host_cpu_core_ratio",
        "Utilization of each logical core of the host.",
        (({"core": str(core)}, percent / 100) for core, percent in enumerate(system.cpu_core_percents or ())),
    )
    if system.container is not None:
        yield from _numbers("gpumon_container_", CONTAINER_GAUGES, system.container)


def _numbers(prefix: str, fields: Mapping[str, str], struct: object) -> Iterator[Metric]:
    for field, documentation in fields.items():
        yield from gauge(f"{prefix}{name_of(field)}", documentation, _values([(struct, {})], field))
