"""The `nvtop` provider: AMD, Intel and other GPUs (and NVIDIA's, where nothing else answers) through `nvtop`'s JSON.

`nvtop -l` (3.3.2 and newer) is started once and read as a stream; `nvtop -s` (3.2 and newer) is run for each reading.
"""

from __future__ import annotations

import re
import shutil
import time

from monitor.telemetry.options import Options
from monitor.telemetry.providers import nvtop_json
from monitor.telemetry.providers.base import Explained, PercentGate, ProviderFailed, ProviderUnavailable
from monitor.telemetry.providers.stream import DocumentStream, Ended, TimedOut, run_once
from monitor.telemetry.schema import Gpu, Reading

PROGRAM = "nvtop"
_SNAPSHOT_SINCE, _LOOP_SINCE = (3, 2, 0), (3, 3, 2)
_INSTALL = (
    "AMD and Intel GPUs are read through nvtop 3.2 or newer: `apt install nvtop`, or https://github.com/Syllo/nvtop."
)
_FIRST_SECONDS = 10.0
_VERSION = re.compile(r"(?<!\d)(\d{1,9})\.(\d{1,9})(?:\.(\d{1,9}))?")


def version_of(text: str) -> tuple[int, int, int] | None:
    """The version in the answer of `nvtop --version`."""
    found = _VERSION.search(text)
    return (int(found.group(1)), int(found.group(2)), int(found.group(3) or 0)) if found else None


class Nvtop:
    """The provider."""

    name = "nvtop"
    is_simulated = False
    streams_at_interval = True

    def __init__(self, options: Options) -> None:
        self._interval = options.interval_seconds
        self._gate = PercentGate()
        self._program = PROGRAM
        self._stream: DocumentStream | None = None
        self._first: Reading | None = None

    def open(self) -> None:
        """Find out what this nvtop can do, and read once. Raises ProviderUnavailable."""
        program = shutil.which(PROGRAM)
        if program is None:
            raise ProviderUnavailable("`nvtop` is not in PATH.", _INSTALL)
        self._program = program
        try:
            version = version_of(run_once((program, "--version"), _FIRST_SECONDS).decode(errors="replace"))
            if version is not None and version < _SNAPSHOT_SINCE:
                raise ProviderUnavailable(
                    f"nvtop {'.'.join(map(str, version))} is too old to be read by programs.", _INSTALL
                )
            if version is not None and version >= _LOOP_SINCE:
                tenths = max(1, min(999, round(self._interval * 10)))
                self._stream = DocumentStream((program, "-l", "-d", str(tenths)), nvtop_json.split)
            self._first = self._next(_FIRST_SECONDS + self._interval)
        except Explained as told:
            raise ProviderUnavailable(told.reason, told.fix) from told
        except Ended as ended:
            raise ProviderUnavailable(_explained(ended).reason, _INSTALL) from ended
        except TimedOut as error:
            raise ProviderUnavailable(f"`nvtop --version` does not answer: {error}.", _INSTALL) from error
        except OSError as error:
            raise ProviderUnavailable(f"`{program}` cannot be started: {error.strerror}.", _INSTALL) from error
        if not self._first.gpus:
            raise ProviderUnavailable("`nvtop` answered: no GPU to monitor.", _INSTALL)

    def read(self, now: float) -> Reading:
        """The newest array that was not read yet. Raises ProviderFailed."""
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

    def _next(self, seconds: float) -> Reading:
        """A whole array, parsed. Raises Explained."""
        try:
            document, arrived_at = self._document(seconds)
            gpus: tuple[Gpu, ...] = nvtop_json.parse(document, self._gate)
        except TimedOut as error:
            raise Explained(f"`nvtop` does not answer: {error}.", "Run `nvtop -s` to see.") from error
        except nvtop_json.NotAnArray as error:
            raise Explained(f"`nvtop` wrote something that is no JSON: {error}.", _INSTALL) from error
        except Ended as error:
            raise _explained(error) from error
        return Reading(sampled_at=arrived_at, gpus=gpus, clamped_count=self._gate.clamped_count)

    def _document(self, seconds: float) -> tuple[bytes, float]:
        if self._stream is not None:
            return self._stream.newest(seconds)
        output = run_once((self._program, "-s"), seconds)
        document = nvtop_json.split(bytearray(output.rstrip() + b"\n"))
        if document is None:
            raise Ended(0, output, "")
        return document, time.time()


def _explained(ended: Ended) -> Explained:
    """What the program's end means. "No GPU to monitor." comes on stdout with exit status 0."""
    said = ended.half.decode(errors="replace")
    if nvtop_json.NO_GPU.lower() in said.lower():
        return Explained("`nvtop` answered: no GPU to monitor.", _INSTALL)
    if "missing argument" in ended.errors.lower() or "unrecognized option" in ended.errors.lower():
        return Explained("This nvtop is too old to be read by programs.", _INSTALL)
    where = " in the middle of its answer" if '"device_name"' in said else ""
    return Explained(
        f"`nvtop` {ended}{where}.",
        "Run `nvtop -s` to see. nvtop 3.3.2 crashes on processes without a command line: upgrade it.",
    )
