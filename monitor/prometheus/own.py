"""gpumon's own names: `gpumon_gpu_` with the field of the schema, in Prometheus' base units."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client.core import GaugeMetricFamily, Metric

from monitor.telemetry.schema import Snapshot


def own(snapshot: Snapshot) -> Iterable[Metric]:
    """The GPUs and the host of this snapshot."""
    family = GaugeMetricFamily(
        "gpumon_gpu_utilization_ratio", "Share of time in which a kernel ran.", labels=("gpu", "uuid")
    )
    for gpu in snapshot.gpus:
        if gpu.utilization_percent is not None and not snapshot.stale:
            family.add_metric((str(gpu.index), gpu.uuid), gpu.utilization_percent / 100)
    if family.samples:
        yield family
