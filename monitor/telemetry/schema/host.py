"""The host around the GPUs, and the totals of its GPUs."""

from __future__ import annotations

import msgspec

from monitor.telemetry.schema.gpu import Reasons
from monitor.telemetry.schema.units import Integer, Load, Percent, Quantity, UnixSeconds


class ContainerLimits(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Limits and use of this container's cgroup; a limit is null if there is none."""

    cpu_limit_cores: Quantity | None = None
    cpu_used_cores: Quantity | None = None
    memory_limit_bytes: Integer | None = None
    memory_used_bytes: Integer | None = None
    """Without what the kernel can reclaim at once (inactive file pages), as in `docker stats`."""
    unavailable: Reasons = {}


class System(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The host around the GPUs, from psutil."""

    os_name: str | None = None
    cpu_percent: Percent | None = None
    cpu_core_percents: tuple[Percent, ...] | None = None
    cpu_count: Integer | None = None
    """Logical cores."""
    cpu_frequency_mhz: Quantity | None = None
    load_1m: Load | None = None
    load_5m: Load | None = None
    load_15m: Load | None = None
    memory_total_bytes: Integer | None = None
    memory_used_bytes: Integer | None = None
    memory_available_bytes: Integer | None = None
    memory_used_percent: Percent | None = None
    swap_total_bytes: Integer | None = None
    swap_used_bytes: Integer | None = None
    booted_at: UnixSeconds | None = None
    uptime_seconds: Quantity | None = None
    process_count: Integer | None = None
    container: ContainerLimits | None = None
    """Null outside a container."""
    unavailable: Reasons = {}


class Totals(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """All GPUs of the host together. Sums and means cover the GPUs that report; `unavailable` names those that do not."""

    gpu_count: Integer = 0
    utilization_percent: Percent | None = None
    memory_used_bytes: Integer | None = None
    memory_total_bytes: Integer | None = None
    power_watts: Quantity | None = None
    power_limit_watts: Quantity | None = None
    hottest_gpu_uuid: str | None = None
    hottest_gpu_index: Integer | None = None
    hottest_temperature_celsius: Quantity | None = None
    unavailable: Reasons = {}
