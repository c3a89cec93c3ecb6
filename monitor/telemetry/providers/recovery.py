"""GPUs of which the driver says that they need a reset or a reboot."""

from __future__ import annotations

from collections.abc import Iterable

from monitor.telemetry.schema import Gpu, Notice

NONE, RESET, REBOOT, DRAIN_P2P, DRAIN_AND_RESET = "none", "reset", "reboot", "drain p2p", "drain and reset"
"""Values of Gpu.recovery_action, in nvidia-smi's words. Newer drivers can have others."""

_FIXES = {
    RESET: "Stop the programs that use it, then run `sudo nvidia-smi --gpu-reset -i {index}`, or reboot the host.",
    REBOOT: "Reboot the host.",
    DRAIN_P2P: "Stop the programs that use peer-to-peer memory on it, and start them again.",
    DRAIN_AND_RESET: "Start nothing new on it; when its programs have ended, run `sudo nvidia-smi --gpu-reset -i {index}`.",
}


def recovery_notices(gpus: Iterable[Gpu]) -> tuple[Notice, ...]:
    """A notice for each GPU that needs one of these actions."""
    return tuple(
        Notice(
            code="gpu_recovery_action",
            text=f"GPU {gpu.index} ({gpu.name}) needs recovery: the driver recommends “{gpu.recovery_action}”.",
            fix=_FIXES.get(gpu.recovery_action, "See `nvidia-smi -q` and `dmesg | grep -i xid`.").format(
                index=gpu.index
            ),
        )
        for gpu in gpus
        if gpu.recovery_action not in (None, NONE)
    )
