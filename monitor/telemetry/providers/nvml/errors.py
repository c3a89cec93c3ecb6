"""NVML's error codes: what each costs (a field, a GPU, everything), what it means and how to fix it; and the reasons of one GPU."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import pynvml

from monitor.telemetry.providers.base import NO_PERMISSION, NOT_SUPPORTED, Explained

# pynvml raises NVMLLibraryMismatchError, which is no NVMLError, if the library is older than the call, and UnicodeDecodeError
# for names that are not UTF-8.
FIELD_ERRORS = (pynvml.NVMLError, pynvml.NVMLLibraryMismatchError, UnicodeDecodeError)

UNKNOWN = pynvml.NVML_ERROR_UNKNOWN
GPU_IS_LOST = pynvml.NVML_ERROR_GPU_IS_LOST

PERMANENT = {
    pynvml.NVML_ERROR_NOT_SUPPORTED: NOT_SUPPORTED,
    pynvml.NVML_ERROR_FUNCTION_NOT_FOUND: "this driver's library lacks the call",
    pynvml.NVML_ERROR_DEPRECATED: "this driver no longer supports the call",
    pynvml.NVML_ERROR_ARGUMENT_VERSION_MISMATCH: "this driver's library lacks this version of the call",
    pynvml.NVML_ERROR_INVALID_ARGUMENT: "this driver does not know the metric",
}
"""Refusals, which often last until the driver restarts. But drivers also return them for a while after a resume, a reset or a
change of the MIG mode, so the call is made again now and then."""

REQUIRES_RESET = "the GPU requires a reset"
PASSING = {
    pynvml.NVML_ERROR_NO_PERMISSION: NO_PERMISSION,
    pynvml.NVML_ERROR_RESET_REQUIRED: REQUIRES_RESET,
    pynvml.NVML_ERROR_TIMEOUT: "the driver did not respond in time",
    pynvml.NVML_ERROR_IN_USE: "the GPU is in use by another program",
    pynvml.NVML_ERROR_NO_DATA: "the driver has no data yet",
    pynvml.NVML_ERROR_NOT_READY: "the GPU is not ready",
    pynvml.NVML_ERROR_NOT_FOUND: "the driver has no data",
    pynvml.NVML_ERROR_UNKNOWN: "the driver returned an unknown error",
    GPU_IS_LOST: "the driver calls the GPU lost, but answers other calls",
}

_REINSTALL = "Install the NVIDIA driver. In a container, start it with `--gpus all`."
_CONTAINER_LOST_DEVICES = (
    "In a container, `systemctl daemon-reload` on the host causes this: it removes the devices. "
    "Restart the container; to prevent it, list the devices (`--device /dev/nvidia0 …`) or use the cgroupfs driver. "
    "On a host, see `dmesg | grep -i nvrm`."
)
EVERYTHING = {
    pynvml.NVML_ERROR_LIBRARY_NOT_FOUND: (
        "The driver library `libnvidia-ml.so.1` is not installed on this host.",
        _REINSTALL,
    ),
    pynvml.NVML_ERROR_DRIVER_NOT_LOADED: (
        "The NVIDIA driver's library is installed, but its kernel module is not loaded.",
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
    pynvml.NVML_ERROR_UNKNOWN: ("The driver returns “Unknown Error” to every call.", _CONTAINER_LOST_DEVICES),
    pynvml.NVML_ERROR_UNINITIALIZED: ("The driver's library was shut down.", None),
    pynvml.NVML_ERROR_FUNCTION_NOT_FOUND: (
        "The driver's library is too old for this program, or is not NVIDIA's.",
        "Install NVIDIA driver 470 or newer.",
    ),
}
"""Errors of the driver as a whole."""

FATAL = {
    pynvml.NVML_ERROR_DRIVER_NOT_LOADED,
    pynvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH,
    pynvml.NVML_ERROR_UNINITIALIZED,
}
"""After one of these, every other call fails too; one call alone can return them wrongly."""

OF_MORE_THAN_A_CALL = {GPU_IS_LOST, *FATAL}
"""Errors of a whole GPU or driver, if other calls do not succeed."""


class GpuLost(Exception):
    """NVML_ERROR_GPU_IS_LOST: the GPU fell off the bus. The others are not affected."""


def code_of(error: BaseException) -> int:
    """NVML's code of the error; a library older than the call counts as a missing function."""
    if isinstance(error, pynvml.NVMLError):
        return int(error.value)
    if isinstance(error, GpuLost):
        return int(GPU_IS_LOST)
    if isinstance(error, pynvml.NVMLLibraryMismatchError):
        return int(pynvml.NVML_ERROR_FUNCTION_NOT_FOUND)
    return int(UNKNOWN)


def field_reason(error: BaseException) -> str:
    """Why one field is unknown."""
    if isinstance(error, UnicodeDecodeError):
        return "the driver returned text that is not UTF-8"
    code = code_of(error)
    known = PERMANENT.get(code) or PASSING.get(code)
    return known or f"NVML error {code}: {error}"


def explain_everything(error: BaseException) -> Explained:
    """Reason and fix of an error of the driver as a whole."""
    code = code_of(error)
    reason, fix = EVERYTHING.get(code, (f"NVML error {code}: {error}.", "See `dmesg | grep -i nvrm`."))
    return Explained(reason, fix)


def of_the_driver() -> Explained | None:
    """Reason and fix if the driver as a whole fails; None if it still counts its GPUs."""
    try:
        pynvml.nvmlDeviceGetCount()
    except FIELD_ERRORS as error:
        return explain_everything(error)
    return None


class Reasons(dict[str, str]):
    """Why metrics are unknown, and whether that has changed since it was last read."""

    have_changed = True

    def note(self, reasons: Mapping[str, str]) -> None:
        """Add reasons."""
        if not reasons.items() <= self.items():
            self.update(reasons)
            self.have_changed = True

    def forget(self, metrics: Iterable[str]) -> None:
        """Remove the reasons of metrics that are known again."""
        for metric in metrics:
            self.have_changed |= self.pop(metric, None) is not None
