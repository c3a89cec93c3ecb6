"""Totals of a host: sums and means over the GPUs that report a metric, and which GPUs do not."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from monitor.telemetry.schema import Gpu, Totals

NO_GPU = "there is no GPU"
TOO_LARGE = "the sum is beyond 64 bits"
_LARGEST = (1 << 63) - 1
"""Databases and most clients have signed integers of 64 bits."""


def total(gpus: Sequence[Gpu]) -> Totals:
    """The totals of `gpus`. Unified memory counts once, however many GPUs share it."""
    reasons: dict[str, str] = {}

    def known(metric: str, of: Callable[[Gpu], float | None], among: Sequence[Gpu] = gpus) -> list[float]:
        values = [value for gpu in among if (value := of(gpu)) is not None]
        if not gpus:
            reasons[metric] = NO_GPU
        elif len(values) < len(among):
            silent = [str(gpu.index) for gpu in among if of(gpu) is None]
            reasons[metric] = f"unknown for GPU {', '.join(silent)}"
        return values

    def summed(metric: str, of: Callable[[Gpu], float | None], among: Sequence[Gpu] = gpus) -> float | None:
        values = known(metric, of, among)
        result = sum(values) if values else None
        if result is not None and result > _LARGEST:
            reasons[metric] = TOO_LARGE
            return None
        return result

    unified = [gpu for gpu in gpus if gpu.memory_is_unified]
    memories = [gpu for gpu in gpus if not gpu.memory_is_unified] + unified[:1]
    utilizations = known("utilization_percent", lambda gpu: gpu.utilization_percent)
    known("hottest_temperature_celsius", lambda gpu: gpu.temperature_celsius)
    hottest = max(
        (gpu for gpu in gpus if gpu.temperature_celsius is not None),
        key=lambda gpu: gpu.temperature_celsius or 0.0,
        default=None,
    )
    if hottest is None:
        why = reasons["hottest_temperature_celsius"]
        reasons.update(hottest_gpu_uuid=why, hottest_gpu_index=why)
    memory_used = summed("memory_used_bytes", lambda gpu: gpu.memory_used_bytes, memories)
    memory_total = summed("memory_total_bytes", lambda gpu: gpu.memory_total_bytes, memories)
    return Totals(
        gpu_count=len(gpus),
        utilization_percent=sum(utilizations) / len(utilizations) if utilizations else None,
        memory_used_bytes=None if memory_used is None else int(memory_used),
        memory_total_bytes=None if memory_total is None else int(memory_total),
        power_watts=summed("power_watts", lambda gpu: gpu.power_watts),
        power_limit_watts=summed("power_limit_watts", lambda gpu: gpu.power_limit_watts),
        hottest_gpu_uuid=hottest.uuid if hottest else None,
        hottest_gpu_index=hottest.index if hottest else None,
        hottest_temperature_celsius=hottest.temperature_celsius if hottest else None,
        unavailable=reasons,
    )
