"""Notices about the GPUs of a reading, whichever way NVIDIA's driver was asked."""

from __future__ import annotations

from collections.abc import Collection

from monitor.telemetry.schema import Gpu, Notice

NONE, RESET, REBOOT, DRAIN_P2P, DRAIN_AND_RESET = "none", "reset", "reboot", "drain p2p", "drain and reset"
"""Values of Gpu.recovery_action, in nvidia-smi's words. Newer drivers can have others."""

_FIXES = {
    RESET: "Stop the programs that use it, then run `sudo nvidia-smi --gpu-reset -i {index}`, or reboot the host.",
    REBOOT: "Reboot the host.",
    DRAIN_P2P: "Stop the programs that use peer-to-peer memory on it, and start them again.",
    DRAIN_AND_RESET: "Start nothing new on it; when its programs have ended, run `sudo nvidia-smi --gpu-reset -i {index}`.",
}


_PERSISTENCE_OFF = Notice(
    code="persistence_mode_off",
    text="Persistence mode is off: when the last program releases a GPU, the driver unloads its state, and each next "
    "program (nvidia-smi too) waits a second or more while the GPU wakes up, drawing tens of watts.",
    fix="Turn it on with `sudo nvidia-smi -pm 1`, or enable the service nvidia-persistenced.",
)


def notices_of(gpus: Collection[Gpu]) -> list[Notice]:
    """One for each GPU that needs a reset or a reboot, and one if persistence mode is off."""
    notices = [
        Notice(
            code="gpu_recovery_action",
            text=f"GPU {gpu.index} ({gpu.name}) needs recovery: the driver recommends “{gpu.recovery_action}”.",
            fix=_FIXES.get(gpu.recovery_action, "See `nvidia-smi -q` and `dmesg | grep -i xid`.").format(
                index=gpu.index
            ),
        )
        for gpu in gpus
        if gpu.recovery_action not in (None, NONE)
    ]
    if any(gpu.persistence_mode is False for gpu in gpus):
        notices.append(_PERSISTENCE_OFF)
    return notices
