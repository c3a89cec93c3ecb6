"""The one schema: every provider fills it, every transport carries it, every page reads it.

`None` means unknown and nothing else; 0 is a value. For each metric that is None the struct's `unavailable` map says
why. Field names use NVML's words with their unit; times are Unix seconds. `smi` below is `nvidia-smi -q -x`.

No struct can refer to itself, so Python's garbage collector is told to pass them over (`gc=False`): with hundreds of hosts it would
stop the event loop to look at them."""

from __future__ import annotations

from monitor.telemetry.schema.alert import Alert, AlertClock, AlertState, Severity
from monitor.telemetry.schema.gpu import (
    Bottleneck,
    BottleneckCode,
    EndedProcess,
    Fan,
    Gpu,
    GpuProcess,
    GpuState,
    GpuUse,
    MigInstance,
    NvLink,
    NvLinkPeerType,
    ProcessType,
    Reasons,
    Xid,
)
from monitor.telemetry.schema.host import ContainerLimits, System, Totals
from monitor.telemetry.schema.snapshot import SCHEMA_VERSION, Notice, ProviderReport, Reading, Snapshot
from monitor.telemetry.schema.units import Percent

__all__ = [
    "SCHEMA_VERSION",
    "Alert",
    "AlertClock",
    "AlertState",
    "Bottleneck",
    "BottleneckCode",
    "ContainerLimits",
    "EndedProcess",
    "Fan",
    "Gpu",
    "GpuProcess",
    "GpuState",
    "GpuUse",
    "MigInstance",
    "Notice",
    "NvLink",
    "NvLinkPeerType",
    "Percent",
    "ProcessType",
    "ProviderReport",
    "Reading",
    "Reasons",
    "Severity",
    "Snapshot",
    "System",
    "Totals",
    "Xid",
]
