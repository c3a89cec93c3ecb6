"""The `nvidia_smi` provider: one long-lived `nvidia-smi -q -x`, whose stream of documents is cut and parsed.

Starting the program anew for each reading costs about half a second of CPU, and more with persistence mode off.
"""

from __future__ import annotations

import shutil
import time
from pathlib import Path

from monitor.telemetry.options import Options
from monitor.telemetry.providers import smi_xml
from monitor.telemetry.providers.base import Explained, PercentGate, ProviderFailed, ProviderUnavailable
from monitor.telemetry.providers.stream import DocumentStream, Ended, TimedOut, run_once
from monitor.telemetry.sampler.gpu_sleep import find_gpus
from monitor.telemetry.schema import Reading

PROGRAM = "nvidia-smi"
WSL_PROGRAM = Path("/usr/lib/wsl/lib/nvidia-smi")
END = b"</nvidia_smi_log>"
_FIRST_SECONDS = 15.0
"""The first document takes long where the driver has to wake the GPUs first."""
_CONTAINER = "In a container, start it with `--gpus all`."

# What the program says when it cannot answer, on either stream, and what that means.
_COMPLAINTS: tuple[tuple[str, str, str], ...] = (
    (
        "couldn't communicate with the nvidia driver",
        "`nvidia-smi` is here, but the NVIDIA driver is not loaded.",
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
        "unknown error",
        "The driver answers nothing but “Unknown Error”.",
        "In a container this is what `systemctl daemon-reload` on the host leaves behind: restart the container.",
    ),
)
_NO_LOOP = ("invalid combination", "unrecognized", "not a valid", "is not recognized", "invalid option")


def split(buffer: bytearray) -> bytes | None:
    """The first whole document, ended by its closing tag; what stands before its first tag is dropped."""
    end = buffer.find(END)
    if end < 0:
        return None
    document = bytes(buffer[: end + len(END)])
    del buffer[: end + len(END)]
    start = document.find(b"<")
    return document[max(0, start) :]


class NvidiaSmi:
    """The provider."""

    name = "nvidia_smi"
    is_simulated = False
    streams_at_interval = True

    def __init__(self, options: Options) -> None:
        self._interval = options.interval_seconds
        self._root, self._left_alone = Path(options.root), options.unattached
        self._which: tuple[str, ...] = ()
        self._gate = PercentGate()
        self._program: str | None = None
        self._stream: DocumentStream | None = None
        self._first: Reading | None = None

    def open(self) -> None:
        """Start the program and read the first document. Raises ProviderUnavailable."""
        self._program = shutil.which(PROGRAM) or (str(WSL_PROGRAM) if WSL_PROGRAM.exists() else None)
        if self._program is None:
            raise ProviderUnavailable(
                "`nvidia-smi` is not in PATH.",
                "It comes with the driver; check `PATH` if `nvidia-smi` works in your own shell.",
            )
        if self._left_alone:  # asked for all, it would wake those that sleep
            awake = [gpu.pci_bus_id for gpu in find_gpus(self._root) if gpu.pci_bus_id not in self._left_alone]
            self._which = ("-i", ",".join(awake))
        try:
            self._start()
            self._first = self._next(_FIRST_SECONDS)
        except Explained as told:
            raise ProviderUnavailable(told.reason, told.fix) from told
        except OSError as error:
            raise ProviderUnavailable(f"`{self._program}` cannot be started: {error.strerror}.") from error
        if not self._first.gpus:
            raise ProviderUnavailable("`nvidia-smi` finds no GPU.", f"See `lspci | grep -i nvidia`. {_CONTAINER}")

    def read(self, now: float) -> Reading:
        """The newest document that was not read yet. Raises ProviderFailed."""
        if self._first is not None:
            first, self._first = self._first, None
            return first
        try:
            return self._next(2 * self._interval + 5)
        except Explained as told:
            raise ProviderFailed(told.reason, told.fix) from told

    def close(self) -> None:
        """End the program."""
        if self._stream is not None:
            self._stream.stop()
            self._stream = None

    def _start(self) -> None:
        assert self._program is not None
        command = (self._program, "-q", "-x", *self._which, "-lms", str(int(self._interval * 1000)))
        self._stream = DocumentStream(command, split)

    def _next(self, seconds: float) -> Reading:
        """A whole document, parsed. Raises Explained."""
        try:
            document, arrived_at = self._document(seconds)
            return smi_xml.parse(document, arrived_at, self._gate)
        except TimedOut as error:
            raise Explained(f"`nvidia-smi` does not answer: {error}.", "See `dmesg | grep -i nvrm`.") from error
        except smi_xml.NotADocument as error:
            raise Explained(f"`nvidia-smi` wrote something that is no report: {error}.") from error
        except Ended as error:
            raise _complaint(error) from error

    def _document(self, seconds: float) -> tuple[bytes, float]:
        if self._stream is not None:
            try:
                return self._stream.newest(seconds)
            except Ended as error:
                said = (error.half.decode(errors="replace") + error.errors).lower()
                if error.status < 0 or not any(words in said for words in _NO_LOOP):
                    raise
                self.close()  # this version does not loop in milliseconds: ask it anew each time
        assert self._program is not None
        buffer = bytearray(run_once((self._program, "-q", "-x", *self._which), seconds))
        document = split(buffer)
        if document is None:
            raise Ended(0, bytes(buffer), "")
        return document, time.time()


def _complaint(ended: Ended) -> Explained:
    """What the program's end means, told by what it said."""
    said = f"{ended.half.decode(errors='replace')}\n{ended.errors}"
    for words, reason, fix in _COMPLAINTS:
        if words in said.lower() and b"<gpu" not in ended.half:
            return Explained(reason, fix)
    where = " in the middle of its report" if b"<gpu" in ended.half else ""
    last = ended.errors.strip().splitlines()[-1:] or [line for line in said.splitlines() if line.strip()][-1:]
    words = f": {last[0].strip()}" if last and not where else ""
    return Explained(f"`nvidia-smi` {ended}{where}{words}.", "Run `nvidia-smi -q -x` to see; see also `dmesg`.")
