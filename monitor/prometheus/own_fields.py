"""The numbers of the schema under gpumon's own names: the field with a prefix, in Prometheus' base units.

`_percent` becomes `_ratio` (0 to 1), `_mhz` becomes `_hertz`, and a count that only grows ends with `_total`. Fields that no rule
names well have the names of node_exporter. The traffic of each of up to 18 NVLinks is left out: its sum is here.
"""

from __future__ import annotations

from collections.abc import Sequence

from monitor.prometheus.families import counter
from monitor.prometheus.fields import Field, hertz, performance_state, ratio
from monitor.telemetry.schema import NvLink


def _active(links: Sequence[NvLink]) -> float:
    return float(sum(link.is_active for link in links))


GPU_FIELDS = (
    Field(
        "gpumon_gpu_utilization_ratio",
        "utilization_percent",
        "Share of the driver's last window in which a kernel ran.",
        ratio,
    ),
    Field(
        "gpumon_gpu_memory_utilization_ratio",
        "memory_utilization_percent",
        "Share of time the memory controller was busy, not how full the memory is.",
        ratio,
    ),
    Field(
        "gpumon_gpu_encoder_utilization_ratio",
        "encoder_utilization_percent",
        "Utilization of the video encoder.",
        ratio,
    ),
    Field(
        "gpumon_gpu_decoder_utilization_ratio",
        "decoder_utilization_percent",
        "Utilization of the video decoder.",
        ratio,
    ),
    Field("gpumon_gpu_jpeg_utilization_ratio", "jpeg_utilization_percent", "Utilization of the JPEG engine.", ratio),
    Field(
        "gpumon_gpu_ofa_utilization_ratio", "ofa_utilization_percent", "Utilization of the optical flow engine.", ratio
    ),
    Field("gpumon_gpu_sm_activity_ratio", "sm_activity_percent", "Share of the SMs that were busy.", ratio),
    Field(
        "gpumon_gpu_tensor_activity_ratio",
        "tensor_activity_percent",
        "Share of time in which the tensor cores worked.",
        ratio,
    ),
    Field(
        "gpumon_gpu_dram_activity_ratio", "dram_activity_percent", "Share of the memory bandwidth that was used.", ratio
    ),
    Field("gpumon_gpu_memory_is_unified", "memory_is_unified", "1 if the GPU shares the memory of the host."),
    Field("gpumon_gpu_memory_total_bytes", "memory_total_bytes", "Memory of the GPU."),
    Field("gpumon_gpu_memory_used_bytes", "memory_used_bytes", "Memory allocated by processes and contexts."),
    Field("gpumon_gpu_memory_free_bytes", "memory_free_bytes", "Free memory."),
    Field("gpumon_gpu_memory_reserved_bytes", "memory_reserved_bytes", "Memory reserved by driver and firmware."),
    Field("gpumon_gpu_memory_used_ratio", "memory_used_percent", "Used of total memory.", ratio),
    Field(
        "gpumon_gpu_memory_unattributed_bytes",
        "memory_unattributed_bytes",
        "Used memory that belongs to no listed process.",
    ),
    Field("gpumon_gpu_bar1_total_bytes", "bar1_total_bytes", "Size of the BAR1 aperture."),
    Field("gpumon_gpu_bar1_used_bytes", "bar1_used_bytes", "Used part of the BAR1 aperture."),
    Field("gpumon_gpu_temperature_celsius", "temperature_celsius", "Temperature of the core."),
    Field("gpumon_gpu_memory_temperature_celsius", "memory_temperature_celsius", "Temperature of the memory."),
    Field("gpumon_gpu_hotspot_temperature_celsius", "hotspot_temperature_celsius", "Highest temperature on the chip."),
    Field(
        "gpumon_gpu_slowdown_temperature_celsius",
        "slowdown_temperature_celsius",
        "Temperature from which the GPU lowers its clocks.",
    ),
    Field(
        "gpumon_gpu_shutdown_temperature_celsius",
        "shutdown_temperature_celsius",
        "Temperature at which the GPU shuts down.",
    ),
    Field("gpumon_gpu_power_watts", "power_watts", "Power draw of the board."),
    Field(
        "gpumon_gpu_power_average_watts",
        "power_average_watts",
        "Mean power draw over a second, or since the previous reading.",
    ),
    Field("gpumon_gpu_power_limit_watts", "power_limit_watts", "Power limit in effect."),
    Field("gpumon_gpu_power_default_limit_watts", "power_default_limit_watts", "Default power limit."),
    Field("gpumon_gpu_power_min_limit_watts", "power_min_limit_watts", "Lowest power limit that can be set."),
    Field("gpumon_gpu_power_max_limit_watts", "power_max_limit_watts", "Highest power limit that can be set."),
    Field("gpumon_gpu_graphics_clock_hertz", "graphics_clock_mhz", "Graphics clock.", hertz),
    Field("gpumon_gpu_sm_clock_hertz", "sm_clock_mhz", "SM clock.", hertz),
    Field("gpumon_gpu_memory_clock_hertz", "memory_clock_mhz", "Memory clock.", hertz),
    Field("gpumon_gpu_video_clock_hertz", "video_clock_mhz", "Video clock.", hertz),
    Field("gpumon_gpu_graphics_clock_max_hertz", "graphics_clock_max_mhz", "Highest graphics clock.", hertz),
    Field("gpumon_gpu_sm_clock_max_hertz", "sm_clock_max_mhz", "Highest SM clock.", hertz),
    Field("gpumon_gpu_memory_clock_max_hertz", "memory_clock_max_mhz", "Highest memory clock.", hertz),
    Field("gpumon_gpu_video_clock_max_hertz", "video_clock_max_mhz", "Highest video clock.", hertz),
    Field(
        "gpumon_gpu_performance_state", "performance_state", "Performance state: 0 (fastest) to 15.", performance_state
    ),
    Field("gpumon_gpu_pcie_generation", "pcie_generation", "PCI Express generation of the link now."),
    Field("gpumon_gpu_pcie_generation_max", "pcie_generation_max", "Highest PCI Express generation of the link."),
    Field("gpumon_gpu_pcie_width", "pcie_width", "PCI Express lanes in use."),
    Field("gpumon_gpu_pcie_width_max", "pcie_width_max", "Most PCI Express lanes."),
    Field("gpumon_gpu_pcie_rx_bytes_per_second", "pcie_rx_bytes_per_second", "Received by the GPU over PCI Express."),
    Field("gpumon_gpu_pcie_tx_bytes_per_second", "pcie_tx_bytes_per_second", "Sent by the GPU over PCI Express."),
    Field("gpumon_gpu_nvlinks", "nvlinks", "NVLinks of the GPU.", len),
    Field("gpumon_gpu_nvlinks_active", "nvlinks", "NVLinks of the GPU that are up.", _active),
    Field("gpumon_gpu_processes", "processes", "Processes with a context on the GPU.", len),
    Field(
        "gpumon_gpu_nvlink_rx_bytes_per_second", "nvlink_rx_bytes_per_second", "Received by the GPU over all NVLinks."
    ),
    Field("gpumon_gpu_nvlink_tx_bytes_per_second", "nvlink_tx_bytes_per_second", "Sent by the GPU over all NVLinks."),
    Field("gpumon_gpu_ecc_is_enabled", "ecc_is_enabled", "1 if ECC memory protection is on."),
    Field("gpumon_gpu_retired_pages", "retired_pages", "Memory pages taken out of use."),
    Field(
        "gpumon_gpu_remapped_rows_corrected", "remapped_rows_corrected", "Memory rows remapped after corrected errors."
    ),
    Field(
        "gpumon_gpu_remapped_rows_uncorrected",
        "remapped_rows_uncorrected",
        "Memory rows remapped after uncorrected errors.",
    ),
    Field(
        "gpumon_gpu_remapped_rows_are_pending",
        "remapped_rows_are_pending",
        "1 if rows will be remapped at the next reset of the GPU.",
    ),
    Field("gpumon_gpu_remapped_rows_failed", "remapped_rows_failed", "1 if remapping a row has failed."),
    Field("gpumon_gpu_persistence_mode", "persistence_mode", "1 if persistence mode is on."),
    Field("gpumon_gpu_mig_mode", "mig_mode", "1 if MIG mode is on."),
    Field(
        "gpumon_gpu_energy_joules_total",
        "energy_joules",
        "Energy since the driver was loaded; on Grace Hopper of the whole module.",
        family=counter,
    ),
    Field("gpumon_gpu_pcie_replays_total", "pcie_replays", "PCI Express packets that were sent again.", family=counter),
)
MIG_FIELDS = (
    Field("gpumon_gpu_mig_instance_memory_total_bytes", "memory_total_bytes", "Memory of the MIG instance."),
    Field("gpumon_gpu_mig_instance_memory_used_bytes", "memory_used_bytes", "Used memory of the MIG instance."),
    Field("gpumon_gpu_mig_instance_memory_free_bytes", "memory_free_bytes", "Free memory of the MIG instance."),
    Field(
        "gpumon_gpu_mig_instance_memory_reserved_bytes", "memory_reserved_bytes", "Reserved memory of the MIG instance."
    ),
    Field(
        "gpumon_gpu_mig_instance_sm_activity_ratio",
        "sm_activity_percent",
        "Share of the SMs that were busy, of the whole GPU instance.",
        ratio,
    ),
    Field(
        "gpumon_gpu_mig_instance_tensor_activity_ratio",
        "tensor_activity_percent",
        "Share of time in which the tensor cores worked, of the whole GPU instance.",
        ratio,
    ),
    Field(
        "gpumon_gpu_mig_instance_dram_activity_ratio",
        "dram_activity_percent",
        "Share of the memory bandwidth that was used, of the whole GPU instance.",
        ratio,
    ),
)
FAN_FIELDS = (
    Field("gpumon_gpu_fan_speed_ratio", "speed_percent", "Intended speed of the fan.", ratio),
    Field("gpumon_gpu_fan_speed_rpm", "speed_rpm", "Turns of the fan per minute."),
)
HOST_FIELDS = (
    Field("gpumon_host_cpu_ratio", "cpu_percent", "Utilization of all logical cores of the host.", ratio),
    Field("gpumon_host_cpus", "cpu_count", "Logical cores of the host."),
    Field("gpumon_host_cpu_frequency_hertz", "cpu_frequency_mhz", "Clock of the host's CPU.", hertz),
    Field("gpumon_host_load1", "load_1m", "Load average over 1 minute."),
    Field("gpumon_host_load5", "load_5m", "Load average over 5 minutes."),
    Field("gpumon_host_load15", "load_15m", "Load average over 15 minutes."),
    Field("gpumon_host_memory_total_bytes", "memory_total_bytes", "Memory of the host."),
    Field("gpumon_host_memory_used_bytes", "memory_used_bytes", "Used memory of the host."),
    Field("gpumon_host_memory_available_bytes", "memory_available_bytes", "Memory that programs can still get."),
    Field("gpumon_host_memory_used_ratio", "memory_used_percent", "Used of total memory of the host.", ratio),
    Field("gpumon_host_swap_total_bytes", "swap_total_bytes", "Swap space."),
    Field("gpumon_host_swap_used_bytes", "swap_used_bytes", "Used swap space."),
    Field("gpumon_host_boot_time_seconds", "booted_at", "When the host booted, in Unix seconds."),
    Field("gpumon_host_uptime_seconds", "uptime_seconds", "Time since the host booted."),
    Field("gpumon_host_processes", "process_count", "Processes of the host."),
)
CONTAINER_FIELDS = (
    Field("gpumon_container_cpu_limit_cores", "cpu_limit_cores", "CPU cores that gpumon's container may use."),
    Field("gpumon_container_cpu_used_cores", "cpu_used_cores", "CPU cores that gpumon's container uses."),
    Field("gpumon_container_memory_limit_bytes", "memory_limit_bytes", "Memory that gpumon's container may use."),
    Field(
        "gpumon_container_memory_used_bytes",
        "memory_used_bytes",
        "Memory that gpumon's container uses, without what the kernel can reclaim at once.",
    ),
)
PROCESS_FIELDS = (
    Field("gpumon_process_memory_used_bytes", "memory_used_bytes", "GPU memory of the process."),
    Field(
        "gpumon_process_sm_utilization_ratio",
        "sm_utilization_percent",
        "Share of time the SMs were busy with the process.",
        ratio,
    ),
    Field(
        "gpumon_process_memory_utilization_ratio",
        "memory_utilization_percent",
        "Share of time the memory controller was busy with the process.",
        ratio,
    ),
    Field(
        "gpumon_process_encoder_utilization_ratio",
        "encoder_utilization_percent",
        "Utilization of the video encoder by the process.",
        ratio,
    ),
    Field(
        "gpumon_process_decoder_utilization_ratio",
        "decoder_utilization_percent",
        "Utilization of the video decoder by the process.",
        ratio,
    ),
    Field("gpumon_process_cpu_ratio", "cpu_percent", "Host CPU of the process; 1 is a busy core.", ratio),
    Field("gpumon_process_resident_memory_bytes", "resident_memory_bytes", "Host memory of the process."),
    Field("gpumon_process_start_time_seconds", "started_at", "When the process started, in Unix seconds."),
)
