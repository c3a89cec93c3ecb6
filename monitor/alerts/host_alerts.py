"""What the alert engine keeps of one host: the states of its rules, and how its clock goes."""

from __future__ import annotations

from collections.abc import Iterable

from monitor.alerts.arrivals import Arrival
from monitor.rules.evaluation import Evaluation, Event
from monitor.rules.judge import Judge

CATCH_UP_SECONDS = 60.0
"""For so long after its first snapshot, those from a stream can come ever less late."""
JUMP_SECONDS = 5.0
"""The least difference between the wall clock and the monotonic clock that counts as a jump of the former: on a busy host some
seconds can pass between a snapshot and its arrival here."""
SETTLED_SECONDS = 30.0
"""How long another host's clock must differ: the network can delay its snapshots, and deliver them together."""

_DRIFT_SECONDS = 0.01
"""By how much another host's clock can fall behind from one snapshot to the next without having been set."""


class HostAlerts:
    """One host. Used in the engine's thread."""

    def __init__(self, host_id: str, evaluation: Evaluation) -> None:
        """`host_id`: of a host whose agent has joined; empty: the host that the server runs on."""
        self.host_id = host_id
        self.evaluation = evaluation
        self.clearing: set[str] = set()
        self.position = 0
        """Of the last snapshot from a stream that was judged; 0: there was none."""
        self.gpus: object = None
        """Those that are in the list of known GPUs."""
        self._first_at: float | None = None
        """When the first snapshot came, by the monotonic clock."""
        self._ahead: float | None = None
        """How far the host's clock is ahead of the monotonic one here."""
        self._differs_since: float | None = None
        self._saved: dict[int, dict[str, object]] = {}
        """The memory of each judge as it was saved last."""

    def jump(self, arrival: Arrival) -> float:
        """By how many seconds the host's clock was set; 0 if it was not."""
        ahead = arrival.snapshot.time - arrival.at
        if self._first_at is None:
            self._first_at = arrival.at
        if arrival.position is not None and arrival.at - self._first_at < CATCH_UP_SECONDS:
            self._ahead = ahead if self._ahead is None else max(ahead, self._ahead)
            return 0.0
        if self._ahead is None or not self.is_jump(ahead):
            # Delays on the network only make it less: the most counts, and follows a slow clock.
            is_delayed = self.host_id and self._ahead is not None and ahead < self._ahead
            self._ahead = max(ahead, self._ahead - _DRIFT_SECONDS) if is_delayed and self._ahead is not None else ahead
            self._differs_since = None
            return 0.0
        if self.host_id:
            self._differs_since = arrival.at if self._differs_since is None else self._differs_since
            if arrival.at - self._differs_since < SETTLED_SECONDS:
                return 0.0
        by, self._ahead, self._differs_since = ahead - self._ahead, ahead, None
        return by

    def is_jump(self, ahead: float) -> bool:
        """Whether the clock was set since the last snapshot, if it is this far ahead."""
        return self._ahead is not None and abs(ahead - self._ahead) >= JUMP_SECONDS

    @property
    def open(self) -> Iterable[Event]:
        """The events that fire."""
        return self.evaluation.open.values()

    def follows_clearing(self) -> bool:
        """Look which open events are about to resolve; whether those are others than before."""
        before, self.clearing = self.clearing, self.evaluation.clearing() if self.evaluation.open else set()
        return self.clearing != before

    def changed_judges(self) -> list[Judge]:
        """The judges whose states differ from what was saved."""
        return [
            judge
            for judge in self.evaluation.judges.values()
            if judge.is_changed or judge.has_timers or judge.memory != self._saved.get(judge.rule.id, {})
        ]

    def note_saved(self, judge: Judge) -> None:
        """Its states are in the database."""
        judge.is_changed = False
        self._saved[judge.rule.id] = {**judge.memory}
