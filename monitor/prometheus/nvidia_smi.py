"""The names, labels and units of nvidia_gpu_exporter (utkuozdemir/nvidia_gpu_exporter, docs/METRICS.md)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from prometheus_client.metrics_core import Metric

from monitor.prometheus.families import Samples, counter, gauge, info
from monitor.prometheus.fields import Field, Labelled, hertz, metrics_of, nvml_bus_id, performance_state, ratio
from monitor.telemetry.schema import Fan, Gpu, GpuProcess, Snapshot


def _fastest_fan(fans: Sequence[Fan]) -> float | None:
    """0 to 1."""
    speeds = [fan.speed_percent for fan in fans if fan.speed_percent is not None]
    return ratio(max(speeds)) if speeds else None


def _has(reason: str) -> Callable[[Sequence[str]], float]:
    def has_it(reasons: Sequence[str]) -> float:
        return float(reason in reasons)

    return has_it


def _compute_processes(processes: Sequence[GpuProcess]) -> float:
    return float(sum("compute" in process.types for process in processes))


_COMPUTE_MODES = {"default": 0.0, "exclusive thread": 1.0, "prohibited": 2.0, "exclusive process": 3.0}
_RECOVERY_ACTIONS = {"none": 0.0, "reset": 1.0, "reboot": 2.0, "drain p2p": 3.0, "drain and reset": 4.0}
_FABRIC_STATES = {"not started": 1.0, "in progress": 2.0, "completed": 3.0}
_REASONS = (
    "gpu_idle", "applications_clocks_setting", "sw_power_cap", "hw_slowdown", "hw_thermal_slowdown",
    "hw_power_brake_slowdown", "sw_thermal_slowdown", "sync_boost",
)  # fmt: skip

GPU_FIELDS = (
    Field("nvidia_smi_index", "index", "Index of the GPU."),
    Field("nvidia_smi_utilization_gpu_ratio", "utilization_percent", "GPU utilization, 0 to 1.", ratio),
    Field("nvidia_smi_utilization_memory_ratio", "memory_utilization_percent", "Memory controller utilization, 0 to 1.", ratio),
    Field("nvidia_smi_utilization_encoder_ratio", "encoder_utilization_percent", "Encoder utilization, 0 to 1.", ratio),
    Field("nvidia_smi_utilization_decoder_ratio", "decoder_utilization_percent", "Decoder utilization, 0 to 1.", ratio),
    Field("nvidia_smi_utilization_jpeg_ratio", "jpeg_utilization_percent", "JPEG engine utilization, 0 to 1.", ratio),
    Field("nvidia_smi_utilization_ofa_ratio", "ofa_utilization_percent", "Optical flow engine utilization, 0 to 1.", ratio),
    Field("nvidia_smi_memory_total_bytes", "memory_total_bytes", "Memory of the GPU."),
    Field("nvidia_smi_memory_used_bytes", "memory_used_bytes", "Used memory."),
    Field("nvidia_smi_memory_free_bytes", "memory_free_bytes", "Free memory."),
    Field("nvidia_smi_memory_reserved_bytes", "memory_reserved_bytes", "Memory reserved by driver and firmware."),
    Field("nvidia_smi_temperature_gpu", "temperature_celsius", "GPU temperature, °C."),
    Field("nvidia_smi_temperature_memory", "memory_temperature_celsius", "Memory temperature, °C."),
    Field("nvidia_smi_power_draw_watts", "power_watts", "Power draw now."),
    Field("nvidia_smi_power_draw_instant_watts", "power_watts", "Power draw now."),
    Field("nvidia_smi_power_draw_average_watts", "power_average_watts", "Power draw, mean over a second or a reading."),
    Field("nvidia_smi_enforced_power_limit_watts", "power_limit_watts", "Power limit in force."),
    Field("nvidia_smi_power_limit_watts", "power_limit_watts", "Power limit in force."),
    Field("nvidia_smi_power_default_limit_watts", "power_default_limit_watts", "Default power limit."),
    Field("nvidia_smi_power_min_limit_watts", "power_min_limit_watts", "Lowest power limit that can be set."),
    Field("nvidia_smi_power_max_limit_watts", "power_max_limit_watts", "Highest power limit that can be set."),
    Field("nvidia_smi_energy_joules_total", "energy_joules", "Energy since the driver was loaded.", family=counter),
    Field("nvidia_smi_clocks_current_graphics_clock_hz", "graphics_clock_mhz", "Graphics clock.", hertz),
    Field("nvidia_smi_clocks_current_sm_clock_hz", "sm_clock_mhz", "SM clock.", hertz),
    Field("nvidia_smi_clocks_current_memory_clock_hz", "memory_clock_mhz", "Memory clock.", hertz),
    Field("nvidia_smi_clocks_current_video_clock_hz", "video_clock_mhz", "Video clock.", hertz),
    Field("nvidia_smi_clocks_max_graphics_clock_hz", "graphics_clock_max_mhz", "Highest graphics clock.", hertz),
    Field("nvidia_smi_clocks_max_sm_clock_hz", "sm_clock_max_mhz", "Highest SM clock.", hertz),
    Field("nvidia_smi_clocks_max_memory_clock_hz", "memory_clock_max_mhz", "Highest memory clock.", hertz),
    Field("nvidia_smi_fan_speed_ratio", "fans", "Intended speed of the fastest fan, 0 to 1.", _fastest_fan),
    Field("nvidia_smi_pstate", "performance_state", "Performance state: 0 (fastest) to 15.", performance_state),
    *(
        Field(
            f"nvidia_smi_clocks_event_reasons_{reason}", "clock_event_reasons", f"1 if {reason} holds the clocks down.",
            _has(reason),
        )
        for reason in _REASONS
    ),
    Field("nvidia_smi_pcie_link_gen_current", "pcie_generation", "PCIe generation now."),
    Field("nvidia_smi_pcie_link_gen_max", "pcie_generation_max", "Highest PCIe generation."),
    Field("nvidia_smi_pcie_link_width_current", "pcie_width", "PCIe lanes now."),
    Field("nvidia_smi_pcie_link_width_max", "pcie_width_max", "Most PCIe lanes."),
    Field("nvidia_smi_pcie_throughput_tx_bytes_per_second", "pcie_tx_bytes_per_second", "Sent over PCIe."),
    Field("nvidia_smi_pcie_throughput_rx_bytes_per_second", "pcie_rx_bytes_per_second", "Received over PCIe."),
    Field("nvidia_smi_ecc_mode_current", "ecc_is_enabled", "1 if ECC is enabled."),
    *(
        Field(
            f"nvidia_smi_ecc_errors_{kind}_{since}_total", f"ecc_{kind}_{since}", f"ECC errors: {kind}, {since}.",
            family=counter,
        )
        for kind in ("corrected", "uncorrected")
        for since in ("volatile", "aggregate")
    ),
    Field("nvidia_smi_remapped_rows_correctable", "remapped_rows_corrected", "Rows remapped for correctable errors."),
    Field("nvidia_smi_remapped_rows_uncorrectable", "remapped_rows_uncorrected", "Rows remapped for uncorrectable errors."),
    Field("nvidia_smi_remapped_rows_pending", "remapped_rows_are_pending", "1 if rows will be remapped at the next reset."),
    Field("nvidia_smi_remapped_rows_failure", "remapped_rows_failed", "1 if remapping a row has failed."),
    Field(
        "nvidia_smi_gpu_recovery_action", "recovery_action",
        "0 none, 1 reset the GPU, 2 reboot the host, 3 drain P2P, 4 drain and reset.", _RECOVERY_ACTIONS.get,
    ),
    Field(
        "nvidia_smi_fabric_state", "fabric_state",
        "Registration with the NVLink fabric: 1 not started, 2 in progress, 3 completed.", _FABRIC_STATES.get,
    ),
    Field(
        "nvidia_smi_compute_mode", "compute_mode",
        "0 default, 1 exclusive thread, 2 prohibited, 3 exclusive process.", _COMPUTE_MODES.get,
    ),
    Field("nvidia_smi_persistence_mode", "persistence_mode", "1 if persistence mode is on."),
    Field("nvidia_smi_mig_mode_current", "mig_mode", "1 if MIG mode is on."),
    Field("nvidia_smi_compute_apps", "processes", "Processes with a compute context.", _compute_processes),
)  # fmt: skip
MIG_FIELDS = (
    Field("nvidia_smi_mig_memory_total_bytes", "memory_total_bytes", "Memory of the GPU instance."),
    Field("nvidia_smi_mig_memory_used_bytes", "memory_used_bytes", "Used memory of the GPU instance."),
    Field("nvidia_smi_mig_memory_free_bytes", "memory_free_bytes", "Free memory of the GPU instance."),
    Field("nvidia_smi_mig_memory_reserved_bytes", "memory_reserved_bytes", "Reserved memory of the GPU instance."),
    Field("nvidia_smi_mig_sm_activity_ratio", "sm_activity_percent", "Share of the instance's SMs that were busy, 0 to 1.", ratio),
    Field(
        "nvidia_smi_mig_tensor_activity_ratio", "tensor_activity_percent",
        "Share of time the instance's tensor cores worked, 0 to 1.", ratio,
    ),
)  # fmt: skip

NOT_EXPORTED = {
    f"nvidia_smi_clocks_throttle_reasons_{reason}": "the name before driver 535; now clocks_event_reasons"
    for reason in _REASONS
}
"""Metrics that nvidia_gpu_exporter or its dashboards know and these names do not include, and why."""


def nvidia_smi(snapshot: Snapshot) -> Iterator[Metric]:
    """The snapshot as nvidia_gpu_exporter would show it.

    While it is stale, only facts, Xids and `nvidia_smi_last_collect_success 0`: the exporter's dashboards show gaps then.
    """
    yield from _collection(snapshot)
    yield from _facts(snapshot)
    yield from _xids(snapshot)
    if snapshot.stale:
        return
    yield from metrics_of(GPU_FIELDS, [(gpu, {"uuid": uuid_of(gpu)}) for gpu in snapshot.gpus])
    yield from metrics_of(MIG_FIELDS, [instance for gpu in snapshot.gpus for instance in _gpu_instances(gpu)])


def uuid_of(gpu: Gpu) -> str:
    """In lower case and without `GPU-`."""
    return gpu.uuid.lower().removeprefix("gpu-")


def _collection(snapshot: Snapshot) -> Iterator[Metric]:
    success = not snapshot.stale and snapshot.sampled_at is not None
    lists_are_known = success and all(gpu.processes is not None for gpu in snapshot.gpus if gpu.state == "ok")
    yield from gauge("nvidia_smi_last_collect_success", "1 if the latest reading succeeded.", [({}, float(success))])
    yield from gauge(
        "nvidia_smi_last_collect_success_timestamp_seconds",
        "When the GPUs were last read, in Unix seconds.",
        [({}, snapshot.sampled_at)],
    )
    yield from gauge(
        "nvidia_smi_compute_apps_last_collect_success",
        "1 if the latest reading had the processes of every GPU.",
        [({}, float(lists_are_known))],
    )


def _facts(snapshot: Snapshot) -> Iterator[Metric]:
    yield from info(
        "nvidia_smi_gpu_info",
        "Facts about the GPU.",
        (
            {
                "uuid": uuid_of(gpu),
                "index": str(gpu.index),
                "name": gpu.name,
                "driver_version": snapshot.driver_version,
                "cuda_version": snapshot.cuda_version,
                "vbios_version": gpu.vbios_version,
                "pci_bus_id": nvml_bus_id(gpu.pci_bus_id),
                "serial": gpu.serial_number,
                "compute_cap": gpu.compute_capability,
            }
            for gpu in snapshot.gpus
        ),
    )
    yield from info(
        "nvidia_smi_mig_info",
        "Facts about the MIG instance.",
        (
            {
                "uuid": uuid_of(gpu),
                "mig_uuid": mig.uuid and mig.uuid.lower().removeprefix("mig-"),
                "gpu_instance_id": _text(mig.gpu_instance_id),
                "compute_instance_id": _text(mig.compute_instance_id),
                "profile": mig.profile,
            }
            for gpu in snapshot.gpus
            for mig in gpu.mig_instances
        ),
    )


def _text(number: int | None) -> str | None:
    return None if number is None else str(number)


def _xids(snapshot: Snapshot) -> Iterator[Metric]:
    xids = [(xid, {"uuid": uuid_of(gpu), "xid": str(xid.code)}) for gpu in snapshot.gpus for xid in gpu.xids or ()]
    counts: Samples = ((labels, xid.count) for xid, labels in xids)
    yield from counter("nvidia_smi_xid_errors_total", "Xid errors since gpumon began to listen.", counts)
    times: Samples = ((labels, xid.last_at) for xid, labels in xids)
    yield from gauge("nvidia_smi_xid_last_timestamp_seconds", "When the Xid was last reported, in Unix seconds.", times)


def _gpu_instances(gpu: Gpu) -> Labelled:
    """Memory and activity belong to the GPU instance: once for all its compute instances."""
    instances = {mig.gpu_instance_id: mig for mig in gpu.mig_instances if mig.gpu_instance_id is not None}
    return [(mig, {"uuid": uuid_of(gpu), "gpu_instance_id": str(number)}) for number, mig in instances.items()]
