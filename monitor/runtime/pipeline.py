"""Hands each snapshot to the stages. A stage that fails affects no other stage."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from typing import Literal

from monitor.runtime.stages import Stage
from monitor.telemetry.schema import Snapshot

log = logging.getLogger(__name__)


class Pipeline:
    """Stages start and receive snapshots in the order of the list, and stop in reverse order."""

    def __init__(self, stages: Sequence[Stage]) -> None:
        self._places = [_Place(stage) for stage in stages]
        self.tick_count = 0
        """Snapshots handed to the stages since the start."""
        self.tick_seconds = 0.0
        """How long that took, together."""

    def start(self) -> None:
        """Start every stage. One that cannot start receives nothing, and its problem stays until the process restarts."""
        for place in self._places:
            place.start()

    def take(self, snapshot: Snapshot) -> None:
        """Hand the snapshot to every running stage."""
        began = time.perf_counter()
        for place in self._places:
            place.take(snapshot)
        self.tick_seconds += time.perf_counter() - began
        self.tick_count += 1

    def stop(self) -> None:
        """Stop every stage that was started. Snapshots that arrive later are dropped."""
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
        self._fault: str | None = None

    @property
    def problem(self) -> str | None:
        return self._fault or self.stage.problem

    def start(self) -> None:
        self._state = "running" if self._succeeds("start", self.stage.start) else "failed"

    def take(self, snapshot: Snapshot) -> None:
        if self._state == "running" and self._succeeds("process a snapshot", lambda: self.stage.take(snapshot)):
            if self._fault is not None:
                log.info("recovered: stage %s", self.stage.name)
            self._fault = None

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
            fault = f"could not {what} ({type(error).__name__}: {error})"
            if self._fault is None:
                log.exception("stage %s could not %s; the other stages continue", self.stage.name, what)
            self._fault = fault
            return False
        return True
