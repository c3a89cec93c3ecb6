"""A ledger for tests: the test sets its clocks, hands it snapshots and reads reports."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from monitor.telemetry.gpu_use import IDLE_BY_DEFAULT, use_of
from monitor.telemetry.schema import Gpu, GpuProcess, Snapshot
from monitor.usage.ledger import LedgerSettings, UsageLedger
from monitor.usage.reports import By, Prices, Report, usage
from tests.support.snapshots import GIB, gpu, host, process

START = 1_800_000_000.0
"""Begins a slice."""


def seen(index: int = 0, *processes: GpuProcess, **changes: Any) -> Gpu:
    """A GPU with these processes and the use that follows from its readings."""
    values = {"memory_used_bytes": sum(each.memory_used_bytes or 0 for each in processes), **changes}
    made = gpu(index, processes=processes, **values)
    return Gpu(
        **{name: getattr(made, name) for name in made.__struct_fields__} | {"use": use_of(made, IDLE_BY_DEFAULT)}
    )


def idle(index: int = 0, **changes: Any) -> Gpu:
    """A free GPU."""
    return seen(index, utilization_percent=0.0, **changes)


def of(user: str | None, pid: int = 1, **changes: Any) -> GpuProcess:
    """A training of this user."""
    return process(pid, **{"user": user, "command": "python train.py", "memory_used_bytes": 8 * GIB, **changes})


class Scene:
    """A ledger whose clocks the test sets."""

    def __init__(self) -> None:
        self.now = START
        self.ahead = 0.0
        """How far the wall clock is ahead of the monotonic one."""
        self.settings = LedgerSettings()
        self.ledger = self.restarted()

    def restarted(self) -> UsageLedger:
        """Another ledger, as after a restart; the one before gets no orderly end."""
        self.ledger = UsageLedger(lambda: self.settings, clock=lambda: self.wall, monotonic=lambda: self.now)
        return self.ledger

    @property
    def wall(self) -> float:
        return self.now + self.ahead

    def snapshot(self, gpus: Sequence[Gpu], **changes: Any) -> Snapshot:
        values = {"time": self.wall, "sampled_at": self.wall, "poll_interval_seconds": 1.0, **changes}
        return host(*gpus, **values)

    def goes(self, seconds: float, *gpus: Gpu, step: float = 1.0, **changes: Any) -> None:
        """Advance the clocks in steps, each with a snapshot of these GPUs."""
        for _ in range(round(seconds / step)):
            self.now += step
            self.ledger.take(self.snapshot(gpus, **changes))
            self.ledger.work()

    def report(self, start: float = START, end: float | None = None, by: By = "user", **prices: Any) -> Report:
        """What the ledger says, after it was written down."""
        self.ledger.write_now()
        return usage(start, self.wall if end is None else end, by, prices=Prices(**prices), now=self.wall)
