"""One process on a GPU, completed by a process table, for several files of tests."""

from __future__ import annotations

from monitor.telemetry.host.processes import ProcessTable
from monitor.telemetry.schema import Gpu, GpuProcess

NOW = 1_800_000_000.0
PID = 41207
HOST_FIELDS = {
    "user", "name", "command", "cpu_percent", "resident_memory_bytes", "started_at", "container_id",
    "container_name", "pod_id", "pod_name", "job_id",
}  # fmt: skip


def on_gpu(*processes: GpuProcess) -> tuple[Gpu, ...]:
    return (Gpu(index=0, uuid="GPU-0", name="H100", processes=processes or (GpuProcess(pid=PID),)),)


def row(table: ProcessTable, now: float = NOW, process: GpuProcess | None = None) -> GpuProcess:
    """The one process on the one GPU; exactly its unknown values have a reason."""
    (gpu,) = table.describe(on_gpu(process or GpuProcess(pid=PID)), now)
    assert gpu.processes is not None
    (described,) = gpu.processes
    unknown = {field for field in HOST_FIELDS if getattr(described, field) is None}
    assert unknown == set(described.unavailable) & HOST_FIELDS
    assert all(described.unavailable.values())
    return described
