"""The measured host: GPUs with some processes each, on the fake driver library, with real processes behind the PIDs."""

from __future__ import annotations

import itertools
import os
import random
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.fakes.fake_driver import FakeDriver, build_once

GPUS, PROCESSES = 8, 4


class Host:
    """A fake driver and the processes that use its GPUs."""

    def __init__(self, driver: FakeDriver, folder: Path, pids: list[int], *, gpus: int) -> None:
        self.driver = driver
        self.folder = folder
        self._gpus = gpus
        self._pids = pids
        self._random = random.Random(8)
        self.change()

    @property
    def environment(self) -> dict[str, str]:
        """The environment in which a process finds this driver."""
        return self.driver.env

    def change(self) -> None:
        """Change every value that changes on a busy GPU; the driver reads the new ones within 20 ms."""
        # A real driver waits for events without CPU of the program's; this one would look ten times a second.
        lines = [f"gpus = {self._gpus}", "sample_period_ms = 4", "event_look_ms = 5000"]
        processes = len(self._pids) // self._gpus
        pids = iter(self._pids)
        draw = self._random.randint
        for gpu in range(self._gpus):
            values = {
                "utilization": draw(0, 100),
                "memory_utilization": draw(0, 100),
                "encoder": draw(0, 100),
                "decoder": draw(0, 100),
                "temperature": draw(30, 85),
                "memory_temperature": draw(30, 95),
                "power_mw": draw(70_000, 700_000),
                "sm_clock_mhz": draw(345, 1980),
                "memory_used_mib": draw(10_000, 70_000),
                "pcie_rx_rate": draw(1, 30_000_000_000),
                "pcie_tx_rate": draw(1, 30_000_000_000),
                "fan_speeds": f"{draw(20, 100)},{draw(20, 100)}",
                "processes": ",".join(
                    f"{pid}:C:{draw(100, 9000)}:{draw(1, 100)}:{draw(1, 100)}"
                    for pid in itertools.islice(pids, processes)
                ),
            }
            lines += [f"gpu.{gpu}.{key} = {value}" for key, value in values.items()]
        self.driver.scenario("\n".join(lines))

    def change_for(self, seconds: float, *, hz: float) -> None:
        """Change all values at this rate for this many seconds."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.change()
            time.sleep(1 / hz)


@contextmanager
def fake_host(*, gpus: int = GPUS, processes: int = PROCESSES) -> Iterator[Host]:
    """A host with this many GPUs and processes a GPU, removed at the end."""
    library = build_once("current")
    with tempfile.TemporaryDirectory(prefix="gpumon-bench-") as name:
        folder = Path(name)
        # In a container gpumon accepts a PID from the driver only if that process has the driver open.
        environment = {**os.environ, "LD_PRELOAD": str(library)}
        workload = [
            subprocess.Popen(["sleep", "infinity"], env=environment, start_new_session=True)
            for _ in range(gpus * processes)
        ]
        try:
            yield Host(FakeDriver(library, folder), folder, [process.pid for process in workload], gpus=gpus)
        finally:
            for process in workload:
                process.kill()
            for process in workload:
                process.wait()
