"""Recorder and usage ledger of a host in their own process, at a thousand times its speed: `python -m bench.records.recorder`, in
the folder of GPU_MONITOR_DATA_DIR. For each number on stdin, it takes that many snapshots, a second apart and each with noisy
readings, and prints the bytes that it has written and the CPU time of both stages.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import django
import msgspec

os.environ["DJANGO_SETTINGS_MODULE"] = "gpumon_site.settings"
django.setup()

from bench.records.noisy_gpu import readings  # noqa: E402
from monitor.history.database import prepare  # noqa: E402
from monitor.history.recorder import HistoryRecorder  # noqa: E402
from monitor.telemetry.schema import Gpu, GpuProcess, Snapshot, System  # noqa: E402
from monitor.usage.ledger import UsageLedger  # noqa: E402

GPUS = 8
BEGIN = 1_800_000_000.0
_WORK_SECONDS = 2
"""As often as the recorder's thread looks."""


class Host:
    """Its clock stands still while the process does anything else."""

    def __init__(self, *stages: type[Any]) -> None:
        self.now = BEGIN
        self._gpus = [readings(number, 1 << 40) for number in range(GPUS)]
        self._stages = [stage(clock=lambda: self.now, monotonic=lambda: self.now) for stage in stages]
        self._seq = 0

    def pass_time(self, seconds: int) -> float:
        """Returns the CPU time of the stages."""
        spent = 0.0
        for _each in range(seconds):
            self.now += 1
            self._seq += 1
            snapshot = self._snapshot()
            begin = time.process_time()
            for stage in self._stages:
                stage.take(snapshot)
                if self._seq % _WORK_SECONDS == 0:
                    stage.work()
            spent += time.process_time() - begin
        return spent

    def _snapshot(self) -> Snapshot:
        gpus = tuple(self._with_processes(next(of_gpu)) for of_gpu in self._gpus)
        system = System(
            cpu_percent=float(self._seq * 7 % 100),
            memory_used_bytes=(200 << 30) + self._seq * 12_345_678 % (1 << 32),
            memory_used_percent=39.1,
            swap_used_bytes=0,
            load_1m=self._seq * 13 % 1000 / 100,
            booted_at=1.0,
        )
        return Snapshot(
            host="bench",
            boot_id="bench",
            seq=self._seq,
            time=self.now,
            sampled_at=self.now,
            poll_interval_seconds=1.0,
            gpus=gpus,
            system=system,
        )

    def _with_processes(self, gpu: Gpu) -> Gpu:
        """Four, whose share of time changes with each reading."""
        processes = tuple(
            GpuProcess(
                pid=1000 * (gpu.index + 1) + number,
                user=f"user{number}",
                name="python",
                command=f"python train.py --rank {number}",
                memory_used_bytes=(number + 1) << 30,
                sm_utilization_percent=float((self._seq * 31 + number * 17) % 26),
                started_at=BEGIN - 100,
            )
            for number in range(4)
        )
        return msgspec.structs.replace(gpu, processes=processes)


def written() -> int:
    """Bytes that this process has handed to write calls. `write_bytes` would not count a page that is written again before the
    kernel has flushed it, which happens at this speed.
    """
    lines = Path("/proc/self/io").read_text().splitlines()
    return int(dict(line.split(": ") for line in lines)["wchar"])


def main() -> None:
    prepare()
    host = Host(HistoryRecorder, *([UsageLedger] if "usage" in sys.argv else []))
    for line in sys.stdin:
        before = written()
        spent = host.pass_time(int(line))
        print(json.dumps([written() - before, spent]), flush=True)


if __name__ == "__main__":
    main()
