"""How long each GPU has been free, as far as this process has seen it: a stage of the pipeline."""

from __future__ import annotations

from collections.abc import Mapping

from monitor.telemetry.freshness import longest_silence
from monitor.telemetry.schema import Snapshot


class FreeTime:
    """Filled by one thread, read by any."""

    name = "free_time"
    problem: str | None = None

    def __init__(self) -> None:
        self._sampled_at: float | None = None
        self.seconds: Mapping[str, float] = {}
        """By UUID, of the GPUs that are free now. The real time can be longer: nothing is known of the time before the start."""

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
