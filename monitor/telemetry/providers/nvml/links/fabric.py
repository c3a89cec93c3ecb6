"""How far a GPU's registration with its NVLink fabric has come. Read on the slow cadence.

GPUs behind NVSwitches have a fabric (HGX boards, NVL72). CUDA starts on one of them only once the fabric manager has registered it.
"""

from __future__ import annotations

import struct
from functools import partial

import pynvml as nvml

from monitor.telemetry.providers.nvml.calls import Call, Values
from monitor.telemetry.providers.nvml.ctypes_calls import Handle, Record

METRICS = ("fabric_state", "fabric_status")
_STATES = {
    nvml.NVML_GPU_FABRIC_STATE_NOT_STARTED: "not started",
    nvml.NVML_GPU_FABRIC_STATE_IN_PROGRESS: "in progress",
    nvml.NVML_GPU_FABRIC_STATE_COMPLETED: "completed",
}
# nvmlGpuFabricInfo_v2_t and nvmlGpuFabricInfo_t: status and state; version, clusterUuid, cliqueId and healthMask are ignored.
_ask = Record("nvmlDeviceGetGpuFabricInfoV", struct.Struct("=20xi4xI4x"), nvml.nvmlGpuFabricInfo_v2)
_ask_older = Record("nvmlDeviceGetGpuFabricInfo", struct.Struct("=16xi4xI"))


def _fill(ask: Record, handle: Handle, values: Values) -> None:
    """Raises NVMLError; also if the GPU has no fabric, where the call succeeds."""
    status, state = ask(handle)
    if state == nvml.NVML_GPU_FABRIC_STATE_NOT_SUPPORTED:
        raise nvml.NVMLError(nvml.NVML_ERROR_NOT_SUPPORTED)
    values["fabric_state"] = _STATES.get(state, f"state {state}")
    # By nvml.h, the status means something once the registration has completed.
    is_completed = state == nvml.NVML_GPU_FABRIC_STATE_COMPLETED
    values["fabric_status"] = _in_words(status) if is_completed else None


def _in_words(status: int) -> str:
    return "success" if status == nvml.NVML_SUCCESS else str(nvml.NVMLError(status)).lower()


FABRIC = Call(METRICS, partial(_fill, _ask), (Call(METRICS, partial(_fill, _ask_older)),))
"""The older call, deprecated, is for drivers without the newer one."""
