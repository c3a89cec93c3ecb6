"""One GPU, and what belongs to it: fans, links, errors, processes, MIG instances."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

import msgspec

from monitor.telemetry.schema.units import Integer, Percent, Quantity, UnixSeconds

GpuIndex = Annotated[int, msgspec.Meta(ge=0, lt=1 << 31)]
ProcessType = Literal["compute", "graphics", "mps"]
GpuState = Literal["ok", "asleep", "lost"]
NvLinkPeerType = Literal["gpu", "switch", "npu"]
GpuUse = Literal["busy", "held", "free", "unknown"]
BottleneckCode = Literal[
    "thermal", "power_brake", "hardware_slowdown", "held", "power_limit", "clock_limit", "pcie", "waiting_for_data",
    "clocks_setting", "thermal_near", "shared", "persistence_mode_off", "none",
]  # fmt: skip
Reasons = Mapping[str, str]


class Fan(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One fan of a GPU. NVML reports the intended speed, not the measured one."""

    speed_percent: Percent | None = None
    """Share of the full speed. NVML nvmlDeviceGetFanSpeed_v2 (up to 200 counts as 100); smi fan_speed."""
    speed_rpm: Quantity | None = None
    """Turns a minute. NVML nvmlDeviceGetFanSpeedRPM; nvtop for AMD and Intel."""


class NvLink(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One NVLink of a GPU. NVML nvmlDeviceGetNvLinkState, nvmlDeviceGetNvLinkVersion, fields 138 and 139."""

    link: Integer
    is_active: bool
    version: Quantity | None = None
    """As NVIDIA numbers them: 1.0, 2.0, 2.2, 3.0, 3.1, 4.0, 5.0, 6.0. NVML's number is an enumeration (6 is 4.0)."""
    rx_bytes_per_second: Quantity | None = None
    tx_bytes_per_second: Quantity | None = None
    peer_type: NvLinkPeerType | None = None
    """What is at the other end: a GPU, an NVSwitch, or an IBM processor (npu). NVML nvmlDeviceGetNvLinkRemoteDeviceType, asked once
    the link is active. Null: not known."""
    peer_pci_bus_id: str | None = None
    """Its PCI address, as a GPU's `pci_bus_id`. NVML nvmlDeviceGetNvLinkRemotePciInfo_v2. Null: not known, as of a switch that a
    virtual machine does not see."""


class Xid(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An Xid error that the driver has reported since gpumon began to listen. NVML nvmlEventSetWait_v2."""

    code: Integer
    count: Integer
    last_at: UnixSeconds
    """When it was last reported, Unix seconds."""


class GpuProcess(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A process with a context on a GPU: the driver's facts, then the host's facts about that PID."""

    pid: Integer
    """As the driver reports it; in a container it can belong to the host's PID namespace: see `status`."""
    status: Literal["running", "gone", "hidden"] = "running"
    """gone: the process has ended, but its memory is still counted. hidden: not visible from this PID namespace."""
    types: tuple[ProcessType, ...] = ()
    mig_instance: Integer | None = None
    """Index within the GPU's `mig_instances`."""
    user: str | None = None
    name: str | None = None
    """The command's short name, /proc/PID/comm or the first word of the command line."""
    command: str | None = None
    """The command line; what looks like a secret in it is replaced by ***."""
    memory_used_bytes: int | None = None
    """GPU memory. NVML usedGpuMemory (all ones: not available); smi used_memory."""
    sm_utilization_percent: Percent | None = None
    """Share of time the SMs were busy with it. NVML nvmlDeviceGetProcessUtilization smUtil, else …ProcessesUtilizationInfo."""
    memory_utilization_percent: Percent | None = None
    encoder_utilization_percent: Percent | None = None
    decoder_utilization_percent: Percent | None = None
    cpu_percent: Quantity | None = None
    """Host CPU, as in top: 100 is one busy core. The only percentage that can exceed 100."""
    resident_memory_bytes: Integer | None = None
    started_at: UnixSeconds | None = None
    container_id: str | None = None
    """From /proc/PID/cgroup: 64 hexadecimal digits (Docker, containerd, CRI-O, Podman)."""
    container_name: str | None = None
    """From the socket that CONTAINER_SOCKET names, else from files that Docker, Podman or kubelet write."""
    pod_id: str | None = None
    """The Kubernetes pod's UID, from /proc/PID/cgroup."""
    pod_name: str | None = None
    """The pod as namespace/name, from kubelet's /var/log/pods or the name that kubelet gave the container."""
    job_id: str | None = None
    """The batch job: Slurm's number in /proc/PID/cgroup, else the only job that the GPU's file in JOB_MAPPING_DIR lists."""
    unavailable: Reasons = {}


class EndedProcess(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A process that has ended, by the driver's accounting mode, which does not know whose it was. NVML
    nvmlDeviceGetAccountingStats.
    """

    pid: Integer
    started_at: UnixSeconds | None = None
    """When it began to use the GPU, Unix seconds."""
    seconds: Quantity
    """How long it used the GPU."""
    memory_peak_bytes: int | None = None
    utilization_percent: Percent | None = None
    """Share of that time in which a kernel ran."""


class MigInstance(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A compute instance of a GPU in MIG mode. Its processes are the GPU's with the same `mig_instance`."""

    index: Integer
    uuid: str | None = None
    name: str | None = None
    profile: str | None = None
    """As `nvidia-smi -L` prints it: 3g.20gb."""
    gpu_instance_id: Integer | None = None
    compute_instance_id: Integer | None = None
    memory_total_bytes: int | None = None
    memory_used_bytes: int | None = None
    memory_free_bytes: int | None = None
    memory_reserved_bytes: int | None = None
    sm_activity_percent: Percent | None = None
    """Share of its GPU instance's SMs that were busy, as the GPU's: all compute instances of a GPU instance have the same figures.
    NVML nvmlGpmMigSampleGet."""
    tensor_activity_percent: Percent | None = None
    dram_activity_percent: Percent | None = None
    unavailable: Reasons = {}


class Bottleneck(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What slows a GPU down most, as far as its readings show it."""

    code: BottleneckCode
    """none: nothing slows it down."""
    level: Literal["", "info", "warning", "critical"] = ""
    text: str
    """In words, at most 42 characters: "Power limit: 1590 of 1980 MHz at 700 W"."""


class Gpu(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One GPU. It is identified by its UUID: index and PCI bus id can change when the driver restarts."""

    index: GpuIndex
    uuid: str
    """Unique among the GPUs of a snapshot. As the driver reports it (GPU-…), or a substitute."""
    uuid_is_substitute: bool = False
    """`uuid` is gpumon's own, so CUDA and `nvidia-smi` do not know it: the driver reports no UUID, or the same for several GPUs.
    It is then `pci-` with the PCI address, `index-` with the index, or from nvtop, which reports neither, index and name."""
    name: str
    state: GpuState = "ok"
    """asleep: suspended by the kernel and not queried, with the last known facts. lost: has fallen off the bus."""
    since: UnixSeconds | None = None
    """When the GPU was found lost or asleep; null while it is ok."""
    read_at: UnixSeconds | None = None
    """When its values were read, if they are older than the snapshot (asleep or lost)."""
    pci_bus_id: str | None = None
    """Domain:bus:device.function in lower case, as in /sys/bus/pci/devices: 0000:3b:00.0."""
    architecture: str | None = None
    brand: str | None = None
    serial_number: str | None = None
    """Printed on the board, where it has one. NVML nvmlDeviceGetSerial; smi serial."""
    compute_capability: str | None = None
    """CUDA's version of the hardware: 9.0. NVML nvmlDeviceGetCudaComputeCapability."""
    vbios_version: str | None = None
    utilization_percent: Percent | None = None
    """Share of the driver's last window (1/6 to 1 s) in which a kernel ran. NVML nvmlDeviceGetUtilizationRates."""
    memory_utilization_percent: Percent | None = None
    """Share of time the memory controller was busy: not how full the memory is. Same call."""
    encoder_utilization_percent: Percent | None = None
    decoder_utilization_percent: Percent | None = None
    jpeg_utilization_percent: Percent | None = None
    ofa_utilization_percent: Percent | None = None
    sm_activity_percent: Percent | None = None
    """Share of the SMs that were busy, on average over about 10 s. NVML's GPM metric 2 (Hopper and newer), as the next two."""
    tensor_activity_percent: Percent | None = None
    """Share of time in which the tensor cores worked. GPM metric 5."""
    dram_activity_percent: Percent | None = None
    """Share of the memory's bandwidth that was used. GPM metric 10."""
    memory_is_unified: bool = False
    """The GPU shares the host's memory (GB10, Jetson, integrated): the memory figures are the host's."""
    memory_total_bytes: int | None = None
    """NVML nvmlDeviceGetMemoryInfo_v2; smi fb_memory_usage."""
    memory_used_bytes: int | None = None
    """Allocated by processes and contexts, without the driver's reserve where that is known: total = reserved + used + free."""
    memory_free_bytes: int | None = None
    memory_reserved_bytes: int | None = None
    """Reserved by driver and firmware. NVML v2 only."""
    memory_used_percent: Percent | None = None
    """Used of total."""
    memory_unattributed_bytes: int | None = None
    """Used memory that belongs to no listed process."""
    bar1_total_bytes: int | None = None
    bar1_used_bytes: int | None = None
    temperature_celsius: Quantity | None = None
    """Core. NVML nvmlDeviceGetTemperature; smi gpu_temp."""
    memory_temperature_celsius: Quantity | None = None
    """NVML field 82. GeForce boards do not report it."""
    hotspot_temperature_celsius: Quantity | None = None
    """NVML has no public call for it; other providers can report it."""
    slowdown_temperature_celsius: Quantity | None = None
    """From here on the GPU lowers its clocks. NVML nvmlDeviceGetTemperatureThreshold."""
    shutdown_temperature_celsius: Quantity | None = None
    power_watts: Quantity | None = None
    """Board draw now. NVML field 186, else nvmlDeviceGetPowerUsage (mW); smi instant_power_draw or power_draw."""
    power_average_watts: Quantity | None = None
    """The driver's own mean over 1 s (field 185); else the mean since the previous reading, from the energy counter."""
    power_limit_watts: Quantity | None = None
    """Enforced now. NVML nvmlDeviceGetEnforcedPowerLimit."""
    power_default_limit_watts: Quantity | None = None
    power_min_limit_watts: Quantity | None = None
    power_max_limit_watts: Quantity | None = None
    energy_joules: Quantity | None = None
    """Since the driver was loaded; on Grace Hopper of the whole module. NVML field 83, nvmlDeviceGetTotalEnergyConsumption (mJ)."""
    graphics_clock_mhz: Quantity | None = None
    sm_clock_mhz: Quantity | None = None
    memory_clock_mhz: Quantity | None = None
    video_clock_mhz: Quantity | None = None
    graphics_clock_max_mhz: Quantity | None = None
    sm_clock_max_mhz: Quantity | None = None
    memory_clock_max_mhz: Quantity | None = None
    video_clock_max_mhz: Quantity | None = None
    fans: tuple[Fan, ...] | None = None
    """Every fan; empty when the board has none."""
    performance_state: str | None = None
    """P0 (fastest) to P15. NVML nvmlDeviceGetPerformanceState."""
    clock_event_reasons: tuple[str, ...] | None = None
    """Why clocks are below the maximum, by name; bits without a name as hexadecimal. Empty: none.
    NVML nvmlDeviceGetCurrentClocksEventReasons, before R535 …ThrottleReasons."""
    pcie_generation: int | None = None
    pcie_generation_max: int | None = None
    pcie_width: int | None = None
    pcie_width_max: int | None = None
    pcie_rx_bytes_per_second: Quantity | None = None
    """Received by the GPU. NVML byte counters (fields 197, 198): the mean since the previous reading or, if the link can wrap their
    32 bits in between, over 5 ms or more of each reading. Without them nvmlDeviceGetPcieThroughput (20 ms, as nvidia-smi)."""
    pcie_tx_bytes_per_second: Quantity | None = None
    pcie_replays: int | None = None
    nvlinks: tuple[NvLink, ...] | None = None
    nvlink_rx_bytes_per_second: Quantity | None = None
    nvlink_tx_bytes_per_second: Quantity | None = None
    fabric_state: str | None = None
    """How far its registration with the NVLink fabric has come: not started, in progress or completed, without which CUDA does not
    start. Null: the GPU is not behind NVSwitches. NVML nvmlDeviceGetGpuFabricInfoV; smi fabric/state."""
    fabric_status: str | None = None
    """How it has completed: success, or NVML's error in words. Null until then. Same call; smi fabric/status."""
    ecc_is_enabled: bool | None = None
    ecc_corrected_volatile: int | None = None
    """Errors since the driver was loaded. NVML nvmlDeviceGetTotalEccErrors."""
    ecc_uncorrected_volatile: int | None = None
    ecc_corrected_aggregate: int | None = None
    """Errors in the life of the board."""
    ecc_uncorrected_aggregate: int | None = None
    retired_pages: int | None = None
    """Pages taken out of use, single and double bit together (before Ampere)."""
    remapped_rows_corrected: int | None = None
    remapped_rows_uncorrected: int | None = None
    remapped_rows_are_pending: bool | None = None
    """Some rows will be remapped at the next reset of the GPU."""
    remapped_rows_failed: bool | None = None
    recovery_action: str | None = None
    """What the driver recommends. NVML field 230; smi gpu_recovery_action. NVML's numbers 0 to 4 are none; reset: the GPU needs a
    reset; reboot: the host needs a reboot; drain p2p: programs with peer-to-peer memory on it must end; drain and reset: let the
    programs on it end, then reset it."""
    xids: tuple[Xid, ...] | None = None
    """By code, the latest first. Empty: none since gpumon began to listen."""
    compute_mode: str | None = None
    """default, exclusive process or prohibited."""
    persistence_mode: bool | None = None
    mig_mode: bool | None = None
    mig_instances: tuple[MigInstance, ...] = ()
    processes: tuple[GpuProcess, ...] | None = None
    ended_processes: tuple[EndedProcess, ...] | None = None
    """Those that have ended in the last two minutes, also if shorter than a reading. Null while accounting mode is off."""
    use: GpuUse = "unknown"
    """By the settings for idle-held GPUs. held: idle-held. unknown: without the readings that would show it in use, never free.
    Made with the snapshot; no provider fills it."""
    bottleneck: Bottleneck | None = None
    """Null while the GPU is not read. Made with the snapshot; no provider fills it."""
    unavailable: Reasons = {}
