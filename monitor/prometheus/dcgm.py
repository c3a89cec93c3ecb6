"""The names, labels and units of NVIDIA's dcgm-exporter: the metrics of its etc/default-counters.csv that NVML has too."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from prometheus_client.metrics_core import Metric

from monitor.prometheus.families import Labels, gauge, untyped
from monitor.prometheus.fields import Field, Labelled, mebibytes, metrics_of, millijoules, nvml_bus_id, ratio
from monitor.rules.xids import MEANINGS
from monitor.telemetry.schema import Gpu, MigInstance, Snapshot, Xid

XID = "DCGM_FI_DEV_XID_ERRORS"
GPU_FIELDS = (
    Field("DCGM_FI_DEV_SM_CLOCK", "sm_clock_mhz", "SM clock, MHz."),
    Field("DCGM_FI_DEV_MEM_CLOCK", "memory_clock_mhz", "Memory clock, MHz."),
    Field("DCGM_FI_DEV_MEMORY_TEMP", "memory_temperature_celsius", "Memory temperature, °C."),
    Field("DCGM_FI_DEV_GPU_TEMP", "temperature_celsius", "GPU temperature, °C."),
    Field("DCGM_FI_DEV_POWER_USAGE", "power_watts", "Power draw, W."),
    Field(
        "DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION", "energy_joules", "Energy since the driver was loaded, mJ.",
        millijoules, untyped,
    ),
    Field("DCGM_FI_DEV_PCIE_REPLAY_COUNTER", "pcie_replays", "PCIe retries.", family=untyped),
    Field("DCGM_FI_DEV_GPU_UTIL", "utilization_percent", "GPU utilization, percent."),
    Field("DCGM_FI_DEV_MEM_COPY_UTIL", "memory_utilization_percent", "Memory controller utilization, percent."),
    Field("DCGM_FI_DEV_ENC_UTIL", "encoder_utilization_percent", "Encoder utilization, percent."),
    Field("DCGM_FI_DEV_DEC_UTIL", "decoder_utilization_percent", "Decoder utilization, percent."),
    Field("DCGM_FI_DEV_ECC_SBE_VOL_TOTAL", "ecc_corrected_volatile", "Corrected ECC errors, volatile.", family=untyped),
    Field("DCGM_FI_DEV_ECC_DBE_VOL_TOTAL", "ecc_uncorrected_volatile", "Uncorrected ECC errors, volatile.", family=untyped),
    Field("DCGM_FI_DEV_ECC_SBE_AGG_TOTAL", "ecc_corrected_aggregate", "Corrected ECC errors, aggregate.", family=untyped),
    Field("DCGM_FI_DEV_ECC_DBE_AGG_TOTAL", "ecc_uncorrected_aggregate", "Uncorrected ECC errors, aggregate.", family=untyped),
    Field(
        "DCGM_FI_DEV_UNCORRECTABLE_REMAPPED_ROWS", "remapped_rows_uncorrected", "Rows remapped for uncorrectable errors.",
        family=untyped,
    ),
    Field(
        "DCGM_FI_DEV_CORRECTABLE_REMAPPED_ROWS", "remapped_rows_corrected", "Rows remapped for correctable errors.",
        family=untyped,
    ),
    Field("DCGM_FI_DEV_ROW_REMAP_FAILURE", "remapped_rows_failed", "1 if remapping a row has failed."),
    Field("DCGM_FI_PROF_PCIE_TX_BYTES", "pcie_tx_bytes_per_second", "Sent over PCIe, bytes per second."),
    Field("DCGM_FI_PROF_PCIE_RX_BYTES", "pcie_rx_bytes_per_second", "Received over PCIe, bytes per second."),
)  # fmt: skip
ACTIVITY_FIELDS = (
    Field("DCGM_FI_PROF_SM_ACTIVE", "sm_activity_percent", "Share of the SMs that were busy, 0 to 1.", ratio),
    Field("DCGM_FI_PROF_PIPE_TENSOR_ACTIVE", "tensor_activity_percent", "Share of time the tensor cores worked, 0 to 1.", ratio),
    Field("DCGM_FI_PROF_DRAM_ACTIVE", "dram_activity_percent", "Share of the memory's bandwidth in use, 0 to 1.", ratio),
)  # fmt: skip
"""Of the GPU; in MIG mode of each GPU instance."""
MEMORY_FIELDS = (
    Field("DCGM_FI_DEV_FB_FREE", "memory_free_bytes", "Free memory, MiB.", mebibytes),
    Field("DCGM_FI_DEV_FB_USED", "memory_used_bytes", "Used memory, MiB.", mebibytes),
    Field(
        "DCGM_FI_DEV_FB_RESERVED", "memory_reserved_bytes", "Memory reserved by driver and firmware, MiB.", mebibytes
    ),
)
"""Of each GPU instance in MIG mode, where those are known, else of the GPU."""

NOT_EXPORTED = {
    "DCGM_FI_PROF_GR_ENGINE_ACTIVE": "needs DCGM's profiling module; DCGM_FI_DEV_GPU_UTIL is NVML's utilization",
    "DCGM_FI_DEV_NVLINK_BANDWIDTH_TOTAL": "DCGM's own sum; gpumon's names have NVLink rates in bytes per second",
    "DCGM_FI_DEV_VGPU_LICENSE_STATUS": "gpumon does not read vGPU licences",
}
"""What dcgm-exporter exports by default and these names do not include, and why."""

_COMPUTE_SLICES = re.compile(r"^\d+c\.")


def dcgm(snapshot: Snapshot) -> Iterator[Metric]:
    """The snapshot as dcgm-exporter would show it. Stale: no metric, as when dcgm-exporter cannot reach DCGM."""
    if snapshot.stale:
        return
    gpus = [(gpu, _labels(gpu, snapshot)) for gpu in snapshot.gpus]
    yield from metrics_of(GPU_FIELDS, gpus)
    instances = [instance for gpu, labels in gpus for instance in _gpu_instances(gpu.mig_instances, labels)]
    yield from metrics_of(ACTIVITY_FIELDS, [*gpus, *instances])
    yield from metrics_of(MEMORY_FIELDS, [memory for gpu, labels in gpus for memory in _memories(gpu, labels)])
    yield from gauge(
        XID,
        "The latest Xid error since gpumon began to listen; 0 if there was none.",
        (_last_xid(gpu.xids, labels) for gpu, labels in gpus if gpu.xids is not None),
    )


def _labels(gpu: Gpu, snapshot: Snapshot) -> Labels:
    return {
        "gpu": str(gpu.index),
        "UUID": gpu.uuid,
        "pci_bus_id": nvml_bus_id(gpu.pci_bus_id) or "",
        "device": f"nvidia{gpu.index}",
        "modelName": gpu.name,
        # dcgm-exporter renamed it in May 2026; dashboards use either.
        "Hostname": snapshot.host,
        "hostname": snapshot.host,
        "DCGM_FI_DRIVER_VERSION": snapshot.driver_version or "",
    }


def _gpu_instances(instances: Iterable[MigInstance], labels: Labels) -> list[tuple[MigInstance, Labels]]:
    """Each GPU instance, once for all its compute instances."""
    by_id = {mig.gpu_instance_id: mig for mig in instances if mig.gpu_instance_id is not None}
    return [
        (mig, {**labels, "GPU_I_ID": str(number), "GPU_I_PROFILE": _COMPUTE_SLICES.sub("", mig.profile or "")})
        for number, mig in by_id.items()
    ]


def _memories(gpu: Gpu, labels: Labels) -> Labelled:
    """Each GPU instance with memory readings; without such instances the GPU itself."""
    instances = [mig for mig in gpu.mig_instances if mig.memory_used_bytes is not None]
    return _gpu_instances(instances, labels) or [(gpu, labels)]


def _last_xid(xids: Sequence[Xid], labels: Labels) -> tuple[Labels, float]:
    code = xids[0].code if xids else 0
    meaning = "no error" if code == 0 else MEANINGS[code].what if code in MEANINGS else ""
    return {**labels, "err_code": str(code), "err_msg": meaning}, float(code)
