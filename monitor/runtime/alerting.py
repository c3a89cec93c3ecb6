"""The alert stage: the engine that evaluates rules and the notifier that sends what it queues."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from monitor.alerts.engine import Engine
from monitor.alerts.evidence_recorder import EvidenceRecorder
from monitor.config.model import Config
from monitor.config.sampling import idle_limits_of
from monitor.history.queries import Newest
from monitor.notifications import outbox
from monitor.notifications.notifier import Notifier
from monitor.notifications.reports.settings import ReportSettings
from monitor.notifications.senders import Sending
from monitor.rules.host_contact import HostContact
from monitor.runtime.effective_config import report_settings_of
from monitor.runtime.stored_evidence import stored_before
from monitor.shards import EVERY_HOST, Shard
from monitor.telemetry.recent import Recent
from monitor.telemetry.schema import Alert, Snapshot


class AlertStage:
    """Evaluates every snapshot in a thread of its own."""

    name = "alerts"

    def __init__(
        self,
        startup: Config,
        *,
        config: Callable[[], Config],
        show: Callable[[tuple[Alert, ...]], None],
        contacts: Callable[[], Sequence[HostContact] | None],
        newest: Newest,
        shard: Shard = EVERY_HOST,
        clock: Callable[[], float],
        monotonic: Callable[[], float],
    ) -> None:
        """`config`: the effective settings. `show`: receives the open alerts of all hosts whenever they change.
        `contacts`: the other hosts; None while they are not known. `newest`: seconds that the history has not written yet.
        `shard`: the hosts to judge; with the first one, messages about all are sent.
        """
        self._shard = shard
        self.recent = Recent()
        """The readings of this host in the last 15 minutes, for rule previews and for the evidence of alerts."""
        self.evidence = EvidenceRecorder(
            self.recent.snapshots,
            stored=lambda case: stored_before(case, newest=newest),
            shard=shard,
            clock=clock,
            monotonic=monotonic,
        )

        def reports() -> ReportSettings:
            return report_settings_of(config())

        forbids_private = startup.forbid_private_webhooks
        sending = Sending(public_url=startup.public_url, forbids_private=forbids_private, reports=reports)
        self.notifier = Notifier(sending.send, reports=reports, clock=lambda: datetime.fromtimestamp(clock(), UTC))
        self.engine = Engine(
            limits=lambda: idle_limits_of(config()),
            retention_days=lambda: config().alert_retention_days,
            enqueue=outbox.enqueue,
            show=show,
            contacts=contacts,
            keep=self.recent.add,
            evidence=self.evidence,
            shard=shard,
            written=self.notifier.wake,
            clock=clock,
            monotonic=monotonic,
        )

    def start(self) -> None:
        self.engine.start()
        if self._shard.is_first:
            self.notifier.start()

    def take(self, snapshot: Snapshot) -> None:
        self.engine.offer(snapshot)

    def take_of_fleet(self, snapshot: Snapshot, *, is_late: bool, position: int | None = None) -> None:
        """Late snapshots of an agent are not judged: what they show is over. Those of a stream are, if they were not yet."""
        if not is_late or position is not None:
            self.engine.offer_of_fleet(snapshot, position=position, is_repeated=is_late)

    def stop(self) -> None:
        """Save the engine's state, then finish the messages in progress: the engine may have queued one at the last moment."""
        self.engine.stop()
        self.notifier.stop()

    @property
    def problem(self) -> str | None:
        return "; ".join(filter(None, (self.engine.problem, self.evidence.problem))) or None

    @property
    def has_ended(self) -> bool:
        """Nothing is written any more."""
        return self.engine.has_ended

    def changed(self) -> None:
        """Load rules, limits and acknowledgements now. From any thread."""
        self.engine.changed()
