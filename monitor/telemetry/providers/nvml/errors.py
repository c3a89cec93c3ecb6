"""NVML's error codes in plain words: what each costs (a field, a GPU, everything), why it came and how to mend it."""

from __future__ import annotations

import pynvml

from monitor.telemetry.providers.base import NO_PERMISSION, NOT_SUPPORTED, Explained

# pynvml raises NVMLLibraryMismatchError where the library is older than the call, and that is no NVMLError; a name with
# odd bytes ends in UnicodeDecodeError, because pynvml decodes strictly.
FIELD_ERRORS = (pynvml.NVMLError, pynvml.NVMLLibraryMismatchError, UnicodeDecodeError)

UNKNOWN = pynvml.NVML_ERROR_UNKNOWN
GPU_IS_LOST = pynvml.NVML_ERROR_GPU_IS_LOST

PERMANENT = {
    pynvml.NVML_ERROR_NOT_SUPPORTED: NOT_SUPPORTED,
    pynvml.NVML_ERROR_FUNCTION_NOT_FOUND: "this driver's library does not have the call",
    pynvml.NVML_ERROR_DEPRECATED: "this driver no longer answers the call",
    pynvml.NVML_ERROR_ARGUMENT_VERSION_MISMATCH: "this driver's library does not have this version of the call",
    pynvml.NVML_ERROR_INVALID_ARGUMENT: "this driver does not know what was asked",
}
"""Answers that stay the same until the driver restarts: the call is not made again."""

PASSING = {
    pynvml.NVML_ERROR_NO_PERMISSION: NO_PERMISSION,
    pynvml.NVML_ERROR_RESET_REQUIRED: "the GPU requires a reset",
    pynvml.NVML_ERROR_TIMEOUT: "the driver did not answer in time",
    pynvml.NVML_ERROR_IN_USE: "the GPU is in use by another program",
    pynvml.NVML_ERROR_NO_DATA: "the driver has no data yet",
    pynvml.NVML_ERROR_NOT_READY: "the GPU is not ready",
    pynvml.NVML_ERROR_NOT_FOUND: "the driver has no data",
    pynvml.NVML_ERROR_UNKNOWN: "the driver answered with an unknown error",
}

_REINSTALL = "Install the NVIDIA driver. In a container, start it with `--gpus all`."
_CONTAINER_LOST_DEVICES = (
    "In a container this is what `systemctl daemon-reload` on the host leaves behind: it takes the devices away. "
    "Restart the container; to prevent it, name the devices (`--device /dev/nvidia0 …`) or use the cgroupfs driver. "
    "On a host, see `dmesg | grep -i nvrm`."
)
EVERYTHING = {
    pynvml.NVML_ERROR_LIBRARY_NOT_FOUND: (
        "The driver library `libnvidia-ml.so.1` is not on this machine.",
        _REINSTALL,
    ),
    pynvml.NVML_ERROR_DRIVER_NOT_LOADED: (
        "The NVIDIA driver's library is here, but its kernel module is not loaded.",
        "Load it with `sudo modprobe nvidia`; if that fails, reboot, or reinstall the driver for the running kernel.",
    ),
    pynvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH: (
        "The driver's library and its kernel module have different versions: the driver was upgraded while loaded.",
        "Reboot, or stop every program that uses a GPU and reload the module (`sudo rmmod nvidia_uvm nvidia && "
        "sudo modprobe nvidia`). In a container, restart the container.",
    ),
    pynvml.NVML_ERROR_NO_PERMISSION: (
        "The driver refuses this user.",
        "Give the user read and write access to `/dev/nvidiactl` and `/dev/nvidia*` (often the group `video`).",
    ),
    pynvml.NVML_ERROR_UNKNOWN: ("The driver answers nothing but “Unknown Error”.", _CONTAINER_LOST_DEVICES),
    pynvml.NVML_ERROR_UNINITIALIZED: ("The driver's library was shut down.", None),
    pynvml.NVML_ERROR_FUNCTION_NOT_FOUND: (
        "The driver's library is too old for this program, or is not NVIDIA's.",
        "Install NVIDIA driver 470 or newer.",
    ),
}
"""Answers that concern the whole driver."""

FATAL = {
    pynvml.NVML_ERROR_DRIVER_NOT_LOADED,
    pynvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH,
    pynvml.NVML_ERROR_UNINITIALIZED,
}
"""Any call that answers one of these means that no other will do better."""


class GpuLost(Exception):
    """NVML_ERROR_GPU_IS_LOST: the GPU fell off the bus; the others go on."""


def code_of(error: BaseException) -> int:
    """NVML's number for the error; a library older than the call counts as a missing function."""
    if isinstance(error, pynvml.NVMLError):
        return int(error.value)
    if isinstance(error, pynvml.NVMLLibraryMismatchError):
        return int(pynvml.NVML_ERROR_FUNCTION_NOT_FOUND)
    return int(UNKNOWN)


def field_reason(error: BaseException) -> str:
    """Why one field is unknown, in a few words."""
    if isinstance(error, UnicodeDecodeError):
        return "the driver answered text that is not UTF-8"
    code = code_of(error)
    known = PERMANENT.get(code) or PASSING.get(code)
    return known or f"NVML error {code}: {error}"


def explain_everything(error: BaseException) -> Explained:
    """The reason and the fix for an error of the driver as a whole."""
    code = code_of(error)
    reason, fix = EVERYTHING.get(code, (f"NVML error {code}: {error}.", "See `dmesg | grep -i nvrm`."))
    return Explained(reason, fix)
