"""Hands each snapshot to the stages. A stage that fails affects no other stage."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Literal

from monitor.runtime.stages import FleetStage, Stage
from monitor.telemetry.schema import Snapshot

log = logging.getLogger(__name__)


class Pipeline:
    """Stages start and receive snapshots in the order of the list, and stop in reverse order."""

    def __init__(self, stages: Sequence[Stage]) -> None:
        self._places = [_Place(stage) for stage in stages]
        self._changes = threading.Lock()
        """Held while stages start or stop: two threads can ask for it at once."""
        self._fleet_places = [(place, place.stage) for place in self._places if isinstance(place.stage, FleetStage)]
        self.tick_count = 0
        """Snapshots handed to the stages since the start."""
        self.tick_seconds = 0.0
        """How long that took, together."""

    def start(self) -> None:
        """Start every stage. One that cannot start receives nothing, and its problem stays until the process restarts."""
        with self._changes:
            for place in self._places:
                place.start()

    def take(self, snapshot: Snapshot) -> None:
        """Hand the snapshot to every running stage."""
        began = time.perf_counter()
        for place in self._places:
            place.take(snapshot)
        self.tick_seconds += time.perf_counter() - began
        self.tick_count += 1

    def take_of_fleet(self, snapshot: Snapshot, *, is_late: bool, position: int | None = None) -> None:
        """Hand a snapshot of another host to every running stage that receives those; see FleetStage."""
        for place, stage in self._fleet_places:
            place.does(
                f"process a snapshot of {snapshot.host}",
                partial(stage.take_of_fleet, snapshot, is_late=is_late, position=position),
            )

    def stop(self) -> None:
        """Stop every stage that was started. Snapshots that arrive later are dropped."""
        with self._changes:
            for place in reversed(self._places):
                place.stop()

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all stages, in order."""
        return tuple(place.stage.name for place in self._places)

    @property
    def problems(self) -> dict[str, str]:
        """What is wrong, by the name of the stage; empty while all is well."""
        found = ((place.stage.name, place.problem) for place in self._places)
        return {name: problem for name, problem in found if problem is not None}


class _Place:
    """One stage in the pipeline, and what it raised last."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self._state: Literal["new", "running", "failed", "stopped"] = "new"
        self._faults: dict[str, str] = {}
        """By what could not be done."""

    @property
    def problem(self) -> str | None:
        return "; ".join([*self._faults.values()]) or self.stage.problem

    def start(self) -> None:
        if self._state == "new":
            self._state = "running" if self._succeeds("start", self.stage.start) else "failed"

    def take(self, snapshot: Snapshot) -> None:
        self.does("process a snapshot", lambda: self.stage.take(snapshot))

    def does(self, what: str, do: Callable[[], None]) -> None:
        """Do it if the stage runs."""
        if self._state == "running" and self._succeeds(what, do) and self._faults.pop(what, None) is not None:
            log.info("recovered: stage %s can %s", self.stage.name, what)

    def stop(self) -> None:
        """Also stops a stage that failed to start: a part of it may run."""
        state, self._state = self._state, "stopped"
        if state in ("running", "failed"):
            self._succeeds("stop", self.stage.stop)

    def _succeeds(self, what: str, do: Callable[[], None]) -> bool:
        """Do it and say whether it worked. A failure that repeats is logged once."""
        try:
            do()
        except Exception as error:
            if what not in self._faults:
                log.exception("stage %s could not %s; the other stages continue", self.stage.name, what)
            self._faults[what] = f"could not {what} ({type(error).__name__}: {error})"
            return False
        return True
