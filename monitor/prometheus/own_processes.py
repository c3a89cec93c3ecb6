"""The processes of each GPU, as far as GPU_MONITOR_METRICS_PROCESSES allows: a name, a user and a PID can be anything."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.metrics_core import Metric

from monitor.prometheus.families import Labels
from monitor.prometheus.fields import metrics_of
from monitor.prometheus.own_fields import PROCESS_FIELDS
from monitor.telemetry.schema import Gpu, GpuProcess, Snapshot

_LABELS = {
    "mig_instance": "mig_instance",
    "user": "user",
    "name": "name",
    "container": "container_name",
    "pod": "pod_name",
    "job": "job_id",
}
"""Labels and the fields they show. Command lines are never shown."""


def processes(snapshot: Snapshot, most: int) -> Iterator[Metric]:
    """Up to `most` processes of each GPU, those with the most GPU memory. None while the reading is stale."""
    if not snapshot.stale:
        shown = [(process, _labels(gpu, process)) for gpu in snapshot.gpus for process in largest(gpu, most)]
        yield from metrics_of(PROCESS_FIELDS, shown)


def largest(gpu: Gpu, most: int) -> list[GpuProcess]:
    """Those with the most GPU memory. One that uses several MIG instances is listed for each."""
    alive = {
        (process.pid, process.mig_instance): process for process in gpu.processes or () if process.status != "gone"
    }
    return sorted(alive.values(), key=lambda process: -(process.memory_used_bytes or 0))[:most]


def _labels(gpu: Gpu, process: GpuProcess) -> Labels:
    texts = {label: getattr(process, field) for label, field in _LABELS.items()}
    known = {label: str(text) for label, text in texts.items() if text is not None}
    return {"gpu": str(gpu.index), "uuid": gpu.uuid, "pid": str(process.pid), **known}
