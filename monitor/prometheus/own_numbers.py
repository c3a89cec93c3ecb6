"""The numbers of the schema that have names of their own in /metrics, and how a field becomes a name.

`_percent` becomes `_ratio` (0 to 1), `_mhz` becomes `_hertz`, and a count that only grows ends with `_total`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

GPU_GAUGES: Mapping[str, str] = {
    "utilization_percent": "Share of the driver's last window in which a kernel ran.",
    "memory_utilization_percent": "Share of time the memory controller was busy, not how full the memory is.",
    "encoder_utilization_percent": "Utilization of the video encoder.",
    "decoder_utilization_percent": "Utilization of the video decoder.",
    "jpeg_utilization_percent": "Utilization of the JPEG engine.",
    "ofa_utilization_percent": "Utilization of the optical flow engine.",
    "sm_activity_percent": "Share of the SMs that were busy.",
    "tensor_activity_percent": "Share of time in which the tensor cores worked.",
    "dram_activity_percent": "Share of the memory bandwidth that was used.",
    "memory_is_unified": "1 if the GPU shares the memory of the host.",
    "memory_total_bytes": "Memory of the GPU.",
    "memory_used_bytes": "Memory allocated by processes and contexts.",
    "memory_free_bytes": "Free memory.",
    "memory_reserved_bytes": "Memory reserved by driver and firmware.",
    "memory_used_percent": "Used of total memory.",
    "memory_unattributed_bytes": "Used memory that belongs to no listed process.",
    "bar1_total_bytes": "Size of the BAR1 aperture.",
    "bar1_used_bytes": "Used part of the BAR1 aperture.",
    "temperature_celsius": "Temperature of the core.",
    "memory_temperature_celsius": "Temperature of the memory.",
    "hotspot_temperature_celsius": "Highest temperature on the chip.",
    "slowdown_temperature_celsius": "Temperature from which the GPU lowers its clocks.",
    "shutdown_temperature_celsius": "Temperature at which the GPU shuts down.",
    "power_watts": "Power draw of the board.",
    "power_average_watts": "Mean power draw over a second, or since the previous reading.",
    "power_limit_watts": "Power limit in effect.",
    "power_default_limit_watts": "Default power limit.",
    "power_min_limit_watts": "Lowest power limit that can be set.",
    "power_max_limit_watts": "Highest power limit that can be set.",
    "graphics_clock_mhz": "Graphics clock.",
    "sm_clock_mhz": "SM clock.",
    "memory_clock_mhz": "Memory clock.",
    "video_clock_mhz": "Video clock.",
    "graphics_clock_max_mhz": "Highest graphics clock.",
    "sm_clock_max_mhz": "Highest SM clock.",
    "memory_clock_max_mhz": "Highest memory clock.",
    "video_clock_max_mhz": "Highest video clock.",
    "pcie_generation": "PCI Express generation of the link now.",
    "pcie_generation_max": "Highest PCI Express generation of the link.",
    "pcie_width": "PCI Express lanes in use.",
    "pcie_width_max": "Most PCI Express lanes.",
    "pcie_rx_bytes_per_second": "Received by the GPU over PCI Express.",
    "pcie_tx_bytes_per_second": "Sent by the GPU over PCI Express.",
    "nvlink_rx_bytes_per_second": "Received by the GPU over all NVLinks.",
    "nvlink_tx_bytes_per_second": "Sent by the GPU over all NVLinks.",
    "ecc_is_enabled": "1 if ECC memory protection is on.",
    "retired_pages": "Memory pages taken out of use.",
    "remapped_rows_corrected": "Memory rows remapped after corrected errors.",
    "remapped_rows_uncorrected": "Memory rows remapped after uncorrected errors.",
    "remapped_rows_are_pending": "1 if rows will be remapped at the next reset of the GPU.",
    "remapped_rows_failed": "1 if remapping a row has failed.",
    "persistence_mode": "1 if persistence mode is on.",
    "mig_mode": "1 if MIG mode is on.",
}
GPU_COUNTERS: Mapping[str, str] = {
    "energy_joules": "Energy since the driver was loaded; on Grace Hopper of the whole module.",
    "pcie_replays": "PCI Express packets that were sent again.",
}
MIG_GAUGES: Mapping[str, str] = {
    "memory_total_bytes": "Memory of the MIG instance.",
    "memory_used_bytes": "Used memory of the MIG instance.",
    "memory_free_bytes": "Free memory of the MIG instance.",
    "memory_reserved_bytes": "Reserved memory of the MIG instance.",
}
HOST_GAUGES: Mapping[str, str] = {
    "cpu_percent": "Utilization of all logical cores of the host.",
    "cpu_count": "Logical cores of the host.",
    "cpu_frequency_mhz": "Clock of the host's CPU.",
    "load_1m": "Load average over 1 minute.",
    "load_5m": "Load average over 5 minutes.",
    "load_15m": "Load average over 15 minutes.",
    "memory_total_bytes": "Memory of the host.",
    "memory_used_bytes": "Used memory of the host.",
    "memory_available_bytes": "Memory that programs can still get.",
    "memory_used_percent": "Used of total memory of the host.",
    "swap_total_bytes": "Swap space.",
    "swap_used_bytes": "Used swap space.",
    "booted_at": "When the host booted, in Unix seconds.",
    "uptime_seconds": "Time since the host booted.",
    "process_count": "Processes of the host.",
}
CONTAINER_GAUGES: Mapping[str, str] = {
    "cpu_limit_cores": "CPU cores that gpumon's container may use.",
    "cpu_used_cores": "CPU cores that gpumon's container uses.",
    "memory_limit_bytes": "Memory that gpumon's container may use.",
    "memory_used_bytes": "Memory that gpumon's container uses, without what the kernel can reclaim at once.",
}
PROCESS_GAUGES: Mapping[str, str] = {
    "memory_used_bytes": "GPU memory of the process.",
    "sm_utilization_percent": "Share of time the SMs were busy with the process.",
    "memory_utilization_percent": "Share of time the memory controller was busy with the process.",
    "encoder_utilization_percent": "Utilization of the video encoder by the process.",
    "decoder_utilization_percent": "Utilization of the video decoder by the process.",
    "cpu_percent": "Host CPU of the process; 1 is a busy core.",
    "resident_memory_bytes": "Host memory of the process.",
    "started_at": "When the process started, in Unix seconds.",
}

_RENAMED = {
    "load_1m": "load1",
    "load_5m": "load5",
    "load_15m": "load15",
    "cpu_count": "cpus",
    "process_count": "processes",
    "booted_at": "boot_time_seconds",
    "started_at": "start_time_seconds",
}
"""Fields with another name than the rules give, by the conventions of Prometheus and node_exporter."""


class Unit(NamedTuple):
    """How a field's values are converted."""

    suffix: str
    """Of the metric's name, in place of the field's."""
    convert: Callable[[float], float]


_UNITS = {
    "_percent": Unit("_ratio", lambda value: round(value / 100, 6)),
    "_mhz": Unit("_hertz", lambda value: value * 1e6),
}


def name_of(field: str) -> str:
    """The name of a field's metric, without its prefix."""
    for suffix, unit in _UNITS.items():
        if field.endswith(suffix):
            return field.removesuffix(suffix) + unit.suffix
    return _RENAMED.get(field, field)


def converter_of(field: str) -> Callable[[float], float]:
    """What converts a value of this field to the base unit; true becomes 1."""
    return next((unit.convert for suffix, unit in _UNITS.items() if field.endswith(suffix)), float)
