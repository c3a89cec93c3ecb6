"""GPUs and hosts for the tests of the pages: a healthy board, changed where a test needs it."""

from __future__ import annotations

from typing import Any

from monitor.telemetry.schema import Alert, Gpu, GpuProcess, Snapshot
from monitor.telemetry.totals import total

GIB = 1 << 30


def gpu(index: int = 0, **changes: Any) -> Gpu:
    """A busy H100."""
    values: dict[str, Any] = {
        "index": index,
        "uuid": f"GPU-{index}",
        "name": "NVIDIA H100 80GB HBM3",
        "utilization_percent": 50.0,
        "memory_total_bytes": 80 * GIB,
        "memory_used_bytes": 20 * GIB,
        "memory_used_percent": 25.0,
        "temperature_celsius": 60.0,
        "slowdown_temperature_celsius": 87.0,
        "power_watts": 350.0,
        "power_limit_watts": 700.0,
        "sm_clock_mhz": 990.0,
        "sm_clock_max_mhz": 1980.0,
        "fans": (),
        "processes": (),
    }
    return Gpu(**{**values, **changes})


def process(pid: int, **changes: Any) -> GpuProcess:
    """A process with every field known."""
    values: dict[str, Any] = {
        "pid": pid,
        "types": ("compute",),
        "user": "ana",
        "name": "python",
        "command": f"python train.py --rank {pid}",
        "memory_used_bytes": GIB,
        "sm_utilization_percent": 40.0,
        "cpu_percent": 120.0,
        "resident_memory_bytes": 2 * GIB,
    }
    return GpuProcess(**{**values, **changes})


def alert(number: int = 1, **changes: Any) -> Alert:
    """GPU 5 has been too hot for 72 seconds at the time of `host`'s snapshot."""
    values: dict[str, Any] = {
        "id": f"00000000-0000-4000-8000-{number:012}",
        "rule": "Thermal slowdown",
        "severity": "critical",
        "host": "dgx",
        "summary": "GPU 5 is hotter than its slowdown threshold",
        "gpu_uuid": "GPU-5",
        "gpu_index": 5,
        "metric": "gpu.temperature_celsius",
        "value": 88.0,
        "threshold": 87.0,
        "started_at": 928.0,
        "fired_at": 930.0,
    }
    return Alert(**{**values, **changes})


def host(*gpus: Gpu, **changes: Any) -> Snapshot:
    """A host with these GPUs, read just now."""
    values: dict[str, Any] = {
        "host": "dgx",
        "seq": 1,
        "time": 1000.0,
        "sampled_at": 1000.0,
        "provider": "pynvml",
        "gpus": gpus,
        "totals": total(gpus),
    }
    return Snapshot(**{**values, **changes})
