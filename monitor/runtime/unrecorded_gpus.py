"""The stage that says so if nobody judges or records the GPUs of this machine: a server of a hub of several processes does neither,
and the engine has the readings of agents only.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection

from monitor.telemetry.schema import Snapshot

LOOK_SECONDS = 60.0
"""Between two looks. Before the first, agents have time to connect."""
log = logging.getLogger(__name__)


class UnrecordedGpus:
    """Uses the thread of the pipeline."""

    name = "own_gpus"

    def __init__(self, sent: Callable[[], Collection[str]], *, monotonic: Callable[[], float] = time.monotonic) -> None:
        """`sent`: UUIDs of the GPUs of all agents."""
        self._sent, self._monotonic = sent, monotonic
        self._look_at: float | None = None
        self._problem: str | None = None

    def start(self) -> None:
        """Nothing to do before the first snapshot."""

    def take(self, snapshot: Snapshot) -> None:
        """Look once a minute whether an agent sends this machine's GPUs."""
        now = self._monotonic()
        if self._look_at is None:
            self._look_at = now + LOOK_SECONDS
        if now < self._look_at:
            return
        self._look_at = now + LOOK_SECONDS
        gpus = () if snapshot.is_simulated else tuple([gpu.uuid for gpu in snapshot.gpus])
        before, self._problem = self._problem, self._why(len({*gpus}.difference(self._sent() if gpus else ())))
        if self._problem is not None and before is None:
            log.warning("%s", self._problem)
        elif self._problem is None and before is not None:
            log.info("recovered: an agent sends the GPUs of this machine")

    def stop(self) -> None:
        """Nothing to save."""

    @property
    def problem(self) -> str | None:
        return self._problem

    @staticmethod
    def _why(count: int) -> str | None:
        if not count:
            return None
        gpus = "1 GPU of this machine is" if count == 1 else f"{count} GPUs of this machine are"
        return f"{gpus} neither judged nor recorded: run an agent on it, as docs/fleet.md says"
