"""The interface of a stage: a receiver of snapshots in the pipeline, such as the hub or the alert engine."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from monitor.telemetry.schema import Snapshot


@runtime_checkable
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


@runtime_checkable
class FleetStage(Stage, Protocol):
    """A stage that also receives the snapshots of other hosts; their `host_id` says whose they are."""

    def take_of_fleet(self, snapshot: Snapshot, *, is_late: bool, position: int | None = None) -> None:
        """Accept the next snapshot of another host and return at once. Runs in the event loop of the agents' sockets.

        `is_late`: it is from a time when the host's agent had no connection, or may be stored already. Late snapshots of a host
        come in the order of their times, between newer ones. `position`: in the stream from which an engine has read it.
        """
