"""How long each GPU has been free, on every host, as far as this process has seen it: a stage of the pipeline."""

from __future__ import annotations

from collections.abc import Mapping

from monitor.telemetry.freshness import longest_silence
from monitor.telemetry.schema import Snapshot


class FreeTime:
    """Filled by one thread (of other hosts by another), read by any."""

    name = "free_time"
    problem: str | None = None

    def __init__(self) -> None:
        self._sampled_at: float | None = None
        self.seconds: Mapping[str, float] = {}
        """By UUID, of the GPUs that are free now. The real time can be longer: nothing is known of the time before the start."""
        self._of_others: dict[str, FreeTime] = {}

    def start(self) -> None: ...

    def stop(self) -> None: ...

    def take(self, snapshot: Snapshot) -> None:
        """Stale readings show no GPU as free, and a pause in the readings starts the time over: it may have been in use."""
        if snapshot.stale or snapshot.sampled_at is None:
            self.seconds, self._sampled_at = {}, None
            return
        passed = 0.0 if self._sampled_at is None else snapshot.sampled_at - self._sampled_at
        before = self.seconds if passed <= longest_silence(snapshot.poll_interval_seconds) else {}
        # The clock was set back: the readings went on meanwhile, but how long is not known.
        added = max(0.0, passed)
        self.seconds = {
            gpu.uuid: before[gpu.uuid] + added if gpu.uuid in before else 0.0
            for gpu in snapshot.gpus
            if gpu.use == "free"
        }
        self._sampled_at = snapshot.sampled_at

    def take_of_fleet(self, snapshot: Snapshot, *, is_late: bool, position: int | None = None) -> None:
        """The same of another host. Late snapshots are older than what is known."""
        if not is_late and snapshot.host_id is not None:
            self._of_others.setdefault(snapshot.host_id, FreeTime()).take(snapshot)

    def seconds_on(self, snapshot: Snapshot, *, is_own: bool) -> Mapping[str, float]:
        """`seconds` of the host of this snapshot, which is the one that answers or another."""
        if is_own:
            return self.seconds
        known = self._of_others.get(snapshot.host_id or "")
        return {} if known is None else known.seconds
