"""The stage that requests an address outside every minute while gpumon works, so that its end is noticed there."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping

from monitor.logs.lasting_problem import LastingProblem
from monitor.notifications.masking import without_secrets
from monitor.notifications.senders import run_child
from monitor.notifications.sending_child import HeartbeatOrder
from monitor.telemetry.freshness import as_of_now
from monitor.telemetry.schema import Snapshot

log = logging.getLogger(__name__)

INTERVAL_SECONDS = 60.0
LOOK_SECONDS = 5.0
LIMIT_SECONDS = 15.0
"""How long the receiver can take."""
NEEDED_STAGES = ("data", "database", "alerts")
"""With a problem of one of these, alerts may not be saved, and so not be sent."""


class Heartbeat:
    """Sends in a thread of its own."""

    name = "heartbeat"

    def __init__(
        self,
        url: str,
        *,
        problems: Callable[[], Mapping[str, str]],
        forbids_private: bool = False,
        limit_seconds: float = LIMIT_SECONDS,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`problems`: of all stages, by name. `forbids_private`: send to a public address only."""
        self._order = HeartbeatOrder(url=url, limit_seconds=limit_seconds, forbids_private=forbids_private)
        self._problems = problems
        self._monotonic = monotonic
        self._newest: tuple[Snapshot, float] | None = None
        """With the time that it came."""
        self._next_at: float | None = None
        self._problem: str | None = None
        self._lasting = LastingProblem(log, monotonic=monotonic)
        self._is_stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def take(self, snapshot: Snapshot) -> None:
        self._newest = snapshot, self._monotonic()

    def stop(self) -> None:
        """A request in progress is not waited for: its process has a limit."""
        self._is_stopping.set()

    @property
    def problem(self) -> str | None:
        if self._thread.ident is not None and not self._thread.is_alive() and not self._is_stopping.is_set():
            return "the heartbeat's thread has ended"
        return self._problem

    def look(self) -> None:
        """Send a heartbeat if one is due and everything that it vouches for works."""
        now = self._monotonic()
        if (self._next_at is not None and now < self._next_at) or not self._is_well(now):
            return
        self._next_at = now + INTERVAL_SECONDS
        error = run_child(self._order).error
        if error is None:
            self._problem = None
            self._lasting.is_over("recovered: the heartbeat is accepted")
        else:
            self._problem = f"the heartbeat was not accepted: {without_secrets(error, self._order.url)}"
            self._lasting.noticed(self._problem)

    def _run(self) -> None:
        while not self._is_stopping.wait(LOOK_SECONDS):
            self.look()

    def _is_well(self, now: float) -> bool:
        """Whether readings are current and alerts can be saved."""
        if self._newest is None:
            return False
        snapshot, came_at = self._newest
        is_current = snapshot.sampled_at is not None and not as_of_now(snapshot, now - came_at).stale
        return is_current and not any(name in NEEDED_STAGES for name in self._problems())
