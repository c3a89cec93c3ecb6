"""The compute processes of each GPU in nvidia_gpu_exporter's names, as far as GPU_MONITOR_METRICS_PROCESSES allows."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.metrics_core import Metric

from monitor.prometheus.families import gauge, info
from monitor.prometheus.nvidia_smi import uuid_of
from monitor.prometheus.own_processes import largest
from monitor.telemetry.schema import Snapshot


def compute_apps(snapshot: Snapshot, most: int) -> Iterator[Metric]:
    """The compute processes among the `most` largest of each GPU. None while the reading is stale."""
    if snapshot.stale:
        return
    apps = [
        (process, {"uuid": uuid_of(gpu), "pid": str(process.pid), "process_name": process.name or ""})
        for gpu in snapshot.gpus
        for process in largest(gpu, most)
        if "compute" in process.types
    ]
    yield from info("nvidia_smi_compute_app_info", "Facts about the process.", (labels for _, labels in apps))
    yield from gauge(
        "nvidia_smi_compute_app_used_memory_bytes",
        "GPU memory of the process.",
        ((labels, process.memory_used_bytes) for process, labels in apps),
    )
