"""The names, labels and units of nvidia_gpu_exporter, which asks `nvidia-smi`."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client.core import GaugeMetricFamily, Metric

from monitor.telemetry.schema import Snapshot


def nvidia_smi(snapshot: Snapshot) -> Iterable[Metric]:
    """The GPUs of this snapshot."""
    family = GaugeMetricFamily("nvidia_smi_utilization_gpu_ratio", "utilization.gpu [%]", labels=("uuid",))
    for gpu in snapshot.gpus:
        if gpu.utilization_percent is not None and not snapshot.stale:
            family.add_metric((gpu.uuid.removeprefix("GPU-"),), gpu.utilization_percent / 100)
    if family.samples:
        yield family
