"""A host whose snapshots reach a recorder, by a clock that the test moves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from monitor.history.recorder import HistoryRecorder, HistorySettings
from monitor.telemetry.schema import Gpu, Snapshot, System
from tests.support.snapshots import gpu, host

BEGIN = 1_800_000_000.0
"""The start of an hour, 4 h before a chunk of minutes ends."""


class Machine:
    """Makes a snapshot each second. `utilization` is the GPUs' value at a time."""

    def __init__(self, *, gpus: int = 1, at: float = BEGIN) -> None:
        self.now = at
        self.uptime = 0.0
        self.gpus = gpus
        self.options = HistorySettings()
        self.utilization: Callable[[float], float] = lambda at: at % 101
        self.booted_at = 1.0
        self._seq = 0
        self.recorder = self.new_recorder()

    def new_recorder(self) -> HistoryRecorder:
        """The recorder of a server that has just started. What the one before had not written is lost."""
        self.recorder = HistoryRecorder(lambda: self.options, clock=lambda: self.now, monotonic=lambda: self.uptime)
        return self.recorder

    def gpu(self, index: int, at: float) -> Gpu:
        return gpu(index, utilization_percent=self.utilization(at), energy_joules=None)

    def snapshot(self, **changes: Any) -> Snapshot:
        """The next one."""
        self._seq += 1
        made = host(
            *[self.gpu(index, self.now) for index in range(self.gpus)],
            seq=self._seq,
            time=self.now,
            sampled_at=self.now,
            system=System(cpu_percent=10.0, booted_at=self.booted_at),
        )
        return msgspec.structs.replace(made, **changes)

    def pass_time(self, seconds: float) -> None:
        self.now += seconds
        self.uptime += seconds

    def run(self, seconds: int, *, every: int = 1, **changes: Any) -> None:
        """Snapshots for so long, with the recorder at work."""
        for _each in range(0, seconds, every):
            self.pass_time(every)
            self.recorder.take(self.snapshot(poll_interval_seconds=float(every), **changes))
            self.recorder.work()
