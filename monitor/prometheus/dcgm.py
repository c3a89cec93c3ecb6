"""The names, labels and units of NVIDIA's DCGM exporter."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client.core import GaugeMetricFamily, Metric

from monitor.telemetry.schema import Snapshot


def dcgm(snapshot: Snapshot) -> Iterable[Metric]:
    """The GPUs of this snapshot."""
    family = GaugeMetricFamily(
        "DCGM_FI_DEV_GPU_UTIL", "GPU utilization (in %).", labels=("gpu", "UUID", "modelName", "Hostname")
    )
    for gpu in snapshot.gpus:
        if gpu.utilization_percent is not None and not snapshot.stale:
            family.add_metric((str(gpu.index), gpu.uuid, gpu.name, snapshot.host), gpu.utilization_percent)
    if family.samples:
        yield family
