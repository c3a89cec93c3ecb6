"""A supervisor whose sampler is a script with real pipes, and the snapshots it publishes."""

from __future__ import annotations

import queue
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

from monitor.telemetry.options import Options
from monitor.telemetry.sampler.supervisor import Supervisor
from monitor.telemetry.schema import Snapshot

PRELUDE = """
import os, signal, sys, time
from monitor.telemetry.sampler import wire
from monitor.telemetry.schema import Gpu, ProviderReport, Reading

def write(*messages):
    for message in messages:
        sys.stdout.buffer.write(wire.encode(message))
    sys.stdout.buffer.flush()

def selected(name="pynvml", **reason):
    return wire.Selected(provider=name, reports=(ProviderReport(name=name or "pynvml", is_chosen=bool(name), **reason),))

def reading(utilization=1):
    return Reading(sampled_at=time.time(), gpus=(Gpu(index=0, uuid="GPU-1", name="H100", utilization_percent=utilization),))

def until_told():
    for line in sys.stdin:
        pass
"""


class Watch:
    """A supervisor with a scripted sampler, and the snapshots it publishes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.snapshots: queue.SimpleQueue[Snapshot] = queue.SimpleQueue()
        self.supervisor: Supervisor | None = None

    def start(self, script: str, *, timeout: float = 0.4, interval: float = 0.1, look_again: float = 0.2) -> Supervisor:
        path = self.folder / "sampler.py"
        path.write_text(PRELUDE + textwrap.dedent(script))
        self.supervisor = Supervisor(
            Options(interval_seconds=interval),
            self.snapshots.put,
            host="test",
            timeout_seconds=timeout,
            command=(sys.executable, str(path)),
            look_again_seconds=look_again,
        )
        self.supervisor.start()
        return self.supervisor

    def until(self, is_it: Callable[[Snapshot], bool]) -> Snapshot:
        """The first snapshot of this kind; fails after 15 s without a snapshot or 600 others."""
        for _ in range(600):
            snapshot = self.snapshots.get(timeout=40)
            if is_it(snapshot):
                return snapshot
        raise AssertionError("no such snapshot came")


def is_fresh(snapshot: Snapshot) -> bool:
    return snapshot.sampled_at is not None and not snapshot.stale
