"""The `nvtop` provider: AMD, Intel and other GPUs, and NVIDIA GPUs if nothing else works, through the JSON of `nvtop`.

`nvtop -l` (3.3.2 and newer) is started once and read as a stream; `nvtop -s` (3.2 and newer) is run for each reading.
"""

from __future__ import annotations

import re
import shutil

from monitor.telemetry.providers import nvtop_json
from monitor.telemetry.providers.base import Explained
from monitor.telemetry.providers.plausible import Bounds
from monitor.telemetry.providers.program import Commands, ProgramProvider
from monitor.telemetry.providers.stream import Ended, TimedOut, run_once
from monitor.telemetry.schema import Reading

_SNAPSHOT_SINCE, _LOOP_SINCE = (3, 2, 0), (3, 3, 2)
_INSTALL = (
    "AMD and Intel GPUs are read through nvtop 3.2 or newer: "
    "`apt install nvtop` on Debian 13, or https://github.com/Syllo/nvtop."
)
_VERSION = re.compile(r"(?<!\d)(\d{1,9})\.(\d{1,9})(?:\.(\d{1,9}))?")


def version_of(text: str) -> tuple[int, int, int] | None:
    """The version in the output of `nvtop --version`."""
    found = _VERSION.search(text)
    return (int(found.group(1)), int(found.group(2)), int(found.group(3) or 0)) if found else None


class Nvtop(ProgramProvider):
    """`nvtop -l` or `nvtop -s`."""

    name = program = "nvtop"
    first_seconds = 10.0  # and `nvtop --version`
    no_gpu = ("`nvtop` answered: no GPU to monitor.", _INSTALL)
    silent_fix = "Run `nvtop -s` to see."
    install_fix = _INSTALL

    def commands(self, interval_seconds: float) -> Commands:
        """By the version, which may be too old for either."""
        program = shutil.which(self.program)
        if program is None:
            raise Explained("`nvtop` is not in PATH.", _INSTALL)
        try:
            ended = run_once((program, "--version"), max(self.first_seconds, self._timeout))
        except TimedOut as error:
            raise Explained(f"`nvtop --version` does not respond: {error}.", _INSTALL) from error
        version = version_of(ended.half.decode(errors="replace"))
        if version is None and ended.status != 0:
            raise Explained(self.meaning(ended).reason, _INSTALL) from ended
        if version is not None and version < _SNAPSHOT_SINCE:
            raise Explained(f"nvtop {'.'.join(map(str, version))} is too old to be read by programs.", _INSTALL)
        tenths = max(1, min(999, round(interval_seconds * 10)))
        can_loop = version is not None and version >= _LOOP_SINCE
        return Commands((program, "-s"), (program, "-l", "-d", str(tenths)) if can_loop else None)

    split = staticmethod(nvtop_json.split)

    def parse(self, document: bytes, arrived_at: float, bounds: Bounds) -> Reading:
        """The JSON array as a Reading."""
        gpus = nvtop_json.parse(document, bounds)
        return Reading(
            sampled_at=arrived_at,
            gpus=gpus,
            unavailable=dict.fromkeys(("driver_version", "cuda_version"), nvtop_json.NOT_REPORTED),
            clamped_count=bounds.clamped_count,
        )

    def meaning(self, ended: Ended) -> Explained:
        """The words "No GPU to monitor." come on stdout with exit status 0."""
        printed = ended.half.decode(errors="replace")
        if nvtop_json.NO_GPU.lower() in printed.lower():
            return Explained(*self.no_gpu)
        if "missing argument" in ended.errors.lower() or "unrecognized option" in ended.errors.lower():
            return Explained("This nvtop is too old to be read by programs.", _INSTALL)
        where = " in the middle of its output" if '"device_name"' in printed else ""
        return Explained(
            f"`nvtop` {ended}{where}.",
            "Run `nvtop -s` to see. nvtop 3.3.2 crashes on processes without a command line: upgrade it.",
        )
