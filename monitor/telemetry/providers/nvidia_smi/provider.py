"""The `nvidia_smi` provider: one long-lived `nvidia-smi -q -x`, whose stream of documents is split and parsed.

Starting the program for each reading costs about half a second of CPU, and more with persistence mode off.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import msgspec

from monitor.telemetry.options import Options
from monitor.telemetry.providers.base import LONG_PCI_DOMAIN, Explained, ProviderUnavailable
from monitor.telemetry.providers.nvidia_smi import report, xml
from monitor.telemetry.providers.plausible import Bounds
from monitor.telemetry.providers.program import Commands, ProgramProvider
from monitor.telemetry.providers.stream import Ended
from monitor.telemetry.sampler.gpu_sleep import find_gpus
from monitor.telemetry.schema import Notice, Reading

WSL_PROGRAM = Path("/usr/lib/wsl/lib/nvidia-smi")
_CONTAINER = "In a container, start it with `--gpus all`."

# What the program prints when it cannot answer, on either stream, and what that means.
_COMPLAINTS: tuple[tuple[str, str, str], ...] = (
    (
        "couldn't communicate with the nvidia driver",
        "`nvidia-smi` is installed, but the NVIDIA driver is not loaded.",
        "Load it with `sudo modprobe nvidia`; if that fails, reboot or reinstall the driver.",
    ),
    (
        "driver/library version mismatch",
        "The driver's library and its kernel module have different versions: the driver was upgraded while loaded.",
        "Reboot, or reload the kernel module. In a container, restart the container.",
    ),
    ("no devices were found", "`nvidia-smi` finds no GPU.", f"See `lspci | grep -i nvidia`. {_CONTAINER}"),
    (
        "insufficient permissions",
        "The driver refuses this user.",
        "Give the user read and write access to `/dev/nvidia*` (often the group `video`).",
    ),
    (
        "libnvidia-ml.so",
        "`nvidia-smi` does not find the driver's library `libnvidia-ml.so.1`.",
        f"Install the NVIDIA driver. {_CONTAINER}",
    ),
    (
        "gpu access blocked by the operating system",
        "The operating system blocks access to the GPU.",
        "In WSL, install the NVIDIA driver in Windows and run `wsl --update`.",
    ),
    (
        "failed to initialize nvml: unknown error",
        "The driver returns “Unknown Error” to every call.",
        "In a container, `systemctl daemon-reload` on the host causes this. Restart the container. On a host, see "
        "`dmesg | grep -i -e nvrm -e xid`.",
    ),
)
_NO_HANDLE = re.compile(
    r"unable to determine the device handle for gpu\s*([0-9a-f.:]*[0-9a-f])\s*: *([^\r\n]*)", re.IGNORECASE
)
_NO_LOOP = ("invalid combination", "unrecognized", "not a valid", "is not recognized", "invalid option")


class NvidiaSmi(ProgramProvider):
    """`nvidia-smi -q -x -lms`."""

    name = "nvidia_smi"
    program = "nvidia-smi"
    first_seconds = 30.0  # without persistence mode, the driver has to wake each GPU first
    no_gpu = ("`nvidia-smi` finds no GPU.", f"See `lspci | grep -i nvidia`. {_CONTAINER}")
    silent_fix = (
        "If it is only slow on this host, raise GPU_MONITOR_SAMPLER_TIMEOUT_MS, or turn persistence mode on with "
        "`sudo nvidia-smi -pm 1`. See also `dmesg | grep -i nvrm`."
    )

    def __init__(self, options: Options) -> None:
        super().__init__(options)
        self._root, self._left_alone = Path(options.root), options.unattached
        self._indexes: dict[str, int] | None = None
        self._lost_since: dict[str, float] = {}
        self._refused: dict[str, Explained] = {}
        """GPUs to which the driver gives no access, by PCI bus id."""
        self._skipped_count = 0

    def open(self) -> None:
        """Open without the GPUs that the driver refuses: while one of them is asked for, nvidia-smi reads none."""
        try:
            super().open()
        except ProviderUnavailable as failure:
            others = [gpu for gpu in find_gpus(self._root) if gpu.pci_bus_id not in self._refused]
            if len(self._refused) == self._skipped_count or not others:
                raise
            self.close()
            self._skipped_count = len(self._refused)
            try:
                self.open()
            except ProviderUnavailable:
                raise failure from None

    def commands(self, interval_seconds: float) -> Commands:
        """The program in PATH, or where WSL has it."""
        program = shutil.which(self.program) or (str(WSL_PROGRAM) if WSL_PROGRAM.exists() else None)
        if program is None:
            raise Explained(
                "`nvidia-smi` is not in PATH.",
                "It comes with the driver; check `PATH` if `nvidia-smi` works in your own shell.",
            )
        once: tuple[str, ...] = (program, "-q", "-x")
        if self._left_alone or self._refused:  # a query of all GPUs would wake those that sleep
            self._indexes = {gpu.pci_bus_id: index for index, gpu in enumerate(find_gpus(self._root))}
            asked = [place for place in self._indexes if place not in self._left_alone and place not in self._refused]
            once = (*once, "-i", ",".join(asked))
        return Commands(once, (*once, "-lms", str(int(interval_seconds * 1000))))

    split = staticmethod(report.split)

    def parse(self, document: bytes, arrived_at: float, bounds: Bounds) -> Reading:
        """The XML report as a Reading."""
        reading = xml.parse(document, arrived_at, bounds, indexes=self._indexes)
        if self._refused:
            notices = [Notice(code="gpu_not_read", text=why.reason, fix=why.fix) for why in self._refused.values()]
            reading = msgspec.structs.replace(reading, notices=(*notices, *reading.notices))
        lost = [gpu.uuid for gpu in reading.gpus if gpu.state == "lost"]
        self._lost_since = {uuid: self._lost_since.get(uuid, arrived_at) for uuid in lost}
        if not lost:
            return reading
        gpus = [msgspec.structs.replace(gpu, since=self._lost_since.get(gpu.uuid)) for gpu in reading.gpus]
        return msgspec.structs.replace(reading, gpus=tuple(gpus))

    def cannot_loop(self, ended: Ended) -> bool:
        """Old versions do not loop in milliseconds."""
        printed = (ended.half.decode(errors="replace") + ended.errors).lower()
        return ended.status >= 0 and any(words in printed for words in _NO_LOOP)

    def meaning(self, ended: Ended) -> Explained:
        """A known complaint on either stream, or the exit status and the last line."""
        printed = f"{ended.half.decode(errors='replace')}\n{ended.errors}"
        if b"<gpu" not in ended.half and (refused := _NO_HANDLE.search(printed)):
            place = LONG_PCI_DOMAIN.sub("", refused[1].lower())
            self._refused[place] = Explained(
                f"GPU {place} has fallen off the bus or needs a reset: the driver reports {refused[2].strip()!r}.",
                f"See `dmesg | grep -i xid`. Run `sudo nvidia-smi --gpu-reset -i {place}`, or reboot the host.",
            )
            return self._refused[place]
        for words, reason, fix in _COMPLAINTS:
            if words in printed.lower() and b"<gpu" not in ended.half:
                return Explained(reason, fix)
        where = " in the middle of its report" if b"<gpu" in ended.half else ""
        last = ended.errors.strip().splitlines()[-1:] or [line for line in printed.splitlines() if line.strip()][-1:]
        words = f": {last[0].strip()}" if last and not where else ""
        return Explained(f"`nvidia-smi` {ended}{where}{words}.", "Run `nvidia-smi -q -x` to see; see also `dmesg`.")
