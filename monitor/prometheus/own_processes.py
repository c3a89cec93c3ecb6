"""The processes of each GPU, as far as GPU_MONITOR_METRICS_PROCESSES allows: a name, a user and a PID can be anything."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.metrics_core import Metric

from monitor.prometheus.families import Labels, gauge
from monitor.prometheus.own_numbers import PROCESS_GAUGES, converter_of, name_of
from monitor.telemetry.schema import Gpu, GpuProcess, Snapshot

_LABELS = {
    "user": "user",
    "name": "name",
    "container": "container_name",
    "pod": "pod_name",
    "job": "job_id",
}
"""Labels and the fields they show. Command lines are never shown."""


def processes(snapshot: Snapshot, most: int) -> Iterator[Metric]:
    """Up to `most` processes of each GPU, those with the most GPU memory. None while the reading is stale."""
    if snapshot.stale:
        return
    shown = [(process, _labels(gpu, process)) for gpu in snapshot.gpus for process in largest(gpu, most)]
    for field, documentation in PROCESS_GAUGES.items():
        convert = converter_of(field)
        yield from gauge(
            f"gpumon_process_{name_of(field)}",
            documentation,
            (
                (labels, None if value is None else convert(value))
                for process, labels in shown
                for value in (getattr(process, field),)
            ),
        )


def largest(gpu: Gpu, most: int) -> list[GpuProcess]:
    """Those with the most GPU memory. Each PID once: a process can be listed for several MIG instances."""
    alive = {process.pid: process for process in gpu.processes or () if process.status != "gone"}
    return sorted(alive.values(), key=lambda process: -(process.memory_used_bytes or 0))[:most]


def _labels(gpu: Gpu, process: GpuProcess) -> Labels:
    texts = {label: getattr(process, field) for label, field in _LABELS.items()}
    known = {label: text for label, text in texts.items() if text is not None}
    return {"gpu": str(gpu.index), "uuid": gpu.uuid, "pid": str(process.pid), **known}
