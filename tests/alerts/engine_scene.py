"""An engine for tests: the test sets its clocks and reads what it showed and queued."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from monitor.alerts.engine import Engine
from monitor.alerts.evidence_case import Case, Earlier, nothing_stored
from monitor.alerts.evidence_recorder import EvidenceRecorder
from monitor.alerts.store import Enqueue
from monitor.models import AlertEvent, AlertRule
from monitor.rules.host_contact import HostContact
from monitor.shards import EVERY_HOST
from monitor.telemetry.gpu_use import IdleLimits
from monitor.telemetry.host.kernel_log import XidMessage
from monitor.telemetry.recent import Recent
from monitor.telemetry.schema import Alert, Gpu
from tests.support.snapshots import gpu, host


class Scene:
    """An engine with clocks set by the test, and everything it shows and queues."""

    def __init__(self) -> None:
        self.now = 1_000_000.0
        self.ahead = 0.0
        """How far the wall clock was set ahead of the monotonic one."""
        self.shown: list[tuple[Alert, ...]] = []
        self.told: list[tuple[str, str]] = []
        self.enqueue: Enqueue = self.record
        """What the engine calls for each event; a test can replace it by one that fails."""
        self.kernel_log: list[XidMessage] | OSError = []
        self.kernel_log_reads = 0
        self.stored: Callable[[Case], Earlier] = nothing_stored
        """What the history has of another host."""
        self.limits = IdleLimits()
        self.contacts: list[HostContact] | None = []
        """The other hosts."""
        self.retention_days = 90.0
        self.shard = EVERY_HOST
        self.engine = self.restarted()

    def restarted(self) -> Engine:
        """Replace the engine, as a restart of the process does."""
        self.recent = Recent()
        self.evidence = EvidenceRecorder(
            self.recent.snapshots,
            stored=lambda case: self.stored(case),
            kernel_log=self.read_kernel_log,
            clock=lambda: self.now + self.ahead,
            monotonic=lambda: self.now,
        )
        self.engine = Engine(
            limits=lambda: self.limits,
            retention_days=lambda: self.retention_days,
            enqueue=lambda event, *, now: self.enqueue(event, now=now),
            show=self.shown.append,
            contacts=lambda: self.contacts,
            keep=self.recent.add,
            evidence=self.evidence,
            shard=self.shard,
            clock=lambda: self.now + self.ahead,
            monotonic=lambda: self.now,
        )
        return self.engine

    def read_kernel_log(self) -> list[XidMessage]:
        self.kernel_log_reads += 1
        if isinstance(self.kernel_log, OSError):
            raise self.kernel_log
        return self.kernel_log

    def record(self, event: AlertEvent, *, now: datetime) -> None:
        self.told.append((event.state, event.summary))

    def arrives(
        self, host_id: str, *gpus: Gpu, position: int | None = None, is_repeated: bool = False, **changes: Any
    ) -> None:
        """A snapshot of another host arrives; it is evaluated with the next one of the hub itself."""
        given = {"host": f"node-{host_id}", "time": self.now, "sampled_at": self.now, **changes}
        snapshot = host(*gpus, host_id=host_id, **given)
        self.engine.offer_of_fleet(snapshot, position=position, is_repeated=is_repeated)

    def goes(self, seconds: float, *gpus: Gpu, **changes: Any) -> None:
        """Advance the clocks and evaluate a snapshot."""
        self.now += seconds
        wall = self.now + self.ahead
        self.engine.offer(host(*gpus, **{"time": wall, "sampled_at": wall, **changes}))
        self.engine.work()

    def goes_on(self, seconds: float, *gpus: Gpu) -> None:
        """The same, with a reading every second."""
        for _second in range(int(seconds)):
            self.goes(1, *gpus)

    @property
    def open(self) -> list[str]:
        """Summaries of the alerts shown last."""
        return [alert.summary for alert in self.shown[-1]] if self.shown else []


def rule(**changes: Any) -> AlertRule:
    values: dict[str, Any] = {
        "name": "hot", "kind": "threshold", "metric": "gpu.temperature_celsius", "comparator": ">=", "threshold": 90,
        "for_seconds": 10, "severity": "critical",
    }  # fmt: skip
    return AlertRule.objects.create(**{**values, **changes})


HOT, COOL = gpu(temperature_celsius=95), gpu(temperature_celsius=60)
