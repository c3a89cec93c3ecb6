"""The interface of a stage: a receiver of snapshots in the pipeline, such as the hub or the alert engine."""

from __future__ import annotations

from typing import Protocol

from monitor.telemetry.schema import Snapshot


class Stage(Protocol):
    """Receives every snapshot. A new stage is a package and one line in the list of stages (runtime.py)."""

    @property
    def name(self) -> str:
        """The key of its problem in /api/health."""

    def start(self) -> None:
        """Begin work, once, before the first snapshot. Must not block for longer than a second: the server waits for it."""

    def take(self, snapshot: Snapshot) -> None:
        """Accept the next snapshot and return at once. Runs in the supervisor's thread, which every stage shares."""

    def stop(self) -> None:
        """Save what it remembers and end its threads, within seconds. No snapshot follows."""

    @property
    def problem(self) -> str | None:
        """What is wrong now, as a sentence or less; None while the stage works."""
