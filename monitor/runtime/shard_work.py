"""What an engine does for one shard: a reader of its streams, and the stages that judge and record its hosts."""

from __future__ import annotations

from collections.abc import Callable

from monitor.config.model import Config
from monitor.fleet.bus.base import EngineNews
from monitor.fleet.bus.streams import StreamReader
from monitor.fleet.hosts import Fleet
from monitor.history.recorder import HistoryRecorder
from monitor.runtime.alerting import AlertStage
from monitor.runtime.effective_config import history_settings_of, ledger_settings_of
from monitor.runtime.pipeline import Pipeline
from monitor.shards import EVERY_HOST, Shard
from monitor.telemetry.schema import Alert, Snapshot
from monitor.usage.ledger import UsageLedger


class ShardWork:
    """From `start`, when this engine has got the shard, to `stop`. Making one starts nothing."""

    def __init__(
        self,
        shard: Shard,
        startup: Config,
        *,
        config: Callable[[], Config],
        fleet: Fleet,
        clock: Callable[[], float],
        monotonic: Callable[[], float],
    ) -> None:
        """`startup`: the settings without the admin's, with the address of Redis; `config`: with them. `fleet`: knows all hosts."""
        assert startup.redis_url is not None
        self._shard, self._fleet = shard, fleet
        self._open: tuple[Alert, ...] | None = None
        """None: they are not read yet."""
        contacts_of = EVERY_HOST if shard.is_first else shard
        self._history = HistoryRecorder(
            lambda: history_settings_of(config()), shard=shard, clock=clock, monotonic=monotonic
        )
        self._alerts = AlertStage(
            startup,
            config=config,
            show=self._show,
            contacts=lambda: fleet.contacts(clock(), contacts_of),
            newest=self._history.open_buckets,
            shard=shard,
            clock=clock,
            monotonic=monotonic,
        )
        self._usage = UsageLedger(lambda: ledger_settings_of(config()), shard=shard, clock=clock, monotonic=monotonic)
        url = startup.redis_url.get_secret_value()
        self._reader = StreamReader(
            url,
            self._take_of_fleet,
            shard=shard,
            has_room=self._alerts.engine.has_room,
            is_recording=lambda: not self._pipeline.problems,
            monotonic=monotonic,
        )
        self._pipeline = Pipeline([self._history, self._usage, self._alerts, self._reader])

    def start(self) -> None:
        """Continue from the database, and from what the streams still have."""
        self._pipeline.start()

    def take(self, snapshot: Snapshot) -> None:
        """Of the engine's own host, which has no GPUs: the rules about hosts, such as one that is down, are judged with these."""
        self._alerts.take(snapshot)

    def settings_changed(self) -> None:
        """Apply them now."""
        self._alerts.changed()

    def news(self) -> EngineNews | None:
        """For the servers; None while the open alerts are not read yet."""
        return None if self._open is None else EngineNews(alerts=self._open, problems=self._pipeline.problems)

    def stop(self) -> bool:
        """Read nothing more and write everything. Whether all has ended; if not, call it again."""
        self._pipeline.stop()
        if not all(stage.has_ended for stage in (self._reader, self._alerts, self._usage, self._history)):
            return False
        if not self._pipeline.problems:
            self._reader.note_all_recorded()
        return True

    def _show(self, alerts: tuple[Alert, ...]) -> None:
        self._open = alerts

    def _take_of_fleet(self, snapshot: Snapshot, *, is_late: bool, position: int | None) -> None:
        if snapshot.host_id is not None:
            self._fleet.expect(snapshot.host_id, snapshot.host)
        self._pipeline.take_of_fleet(snapshot, is_late=is_late, position=position)
