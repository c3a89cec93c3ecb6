"""What runs in `gpumon engine`: the stages that judge and record the hosts of a hub of several processes.

One engine works at a time: the one that has the lock in the database. It reads every reading from Redis, and gives the open alerts
back there. Another one waits for the lock, and then continues from the database and from what Redis still has.
"""

from __future__ import annotations

import logging
import os
import secrets
import socket
import threading
import time
from collections.abc import Callable

from django.db import DEFAULT_DB_ALIAS, connections

from monitor.config.model import Config
from monitor.fleet.bus.redis import RedisBus
from monitor.fleet.bus.streams import StreamReader
from monitor.fleet.hosts import Fleet
from monitor.fleet.registry_watch import RegistryWatch
from monitor.history.recorder import HistoryRecorder
from monitor.live.hub import Hub
from monitor.logs.config import set_log_level
from monitor.postgresql.server_lock import ENGINE_NAME
from monitor.runtime.alerting import AlertStage
from monitor.runtime.database_watch import DatabaseWatch
from monitor.runtime.effective_config import EffectiveConfig, history_settings_of, ledger_settings_of
from monitor.runtime.pipeline import Pipeline
from monitor.runtime.settings_watcher import SettingsWatcher
from monitor.runtime.stages import Stage
from monitor.sanitize import plain
from monitor.telemetry.schema import Snapshot
from monitor.usage.ledger import UsageLedger

log = logging.getLogger(__name__)

TICK_SECONDS = 1.0
"""Between two evaluations of the rules about hosts."""
LOOK_SECONDS = 1.0
"""Between two attempts to get the lock, and two checks whether it is still held."""


def name_connections() -> None:
    """Before the first is opened: another engine finds those of this one by their name, and ends them when it takes over."""
    connections.settings[DEFAULT_DB_ALIAS]["OPTIONS"]["application_name"] = f"{ENGINE_NAME}{secrets.token_hex(8)}"


class EngineRuntime:
    """Making one starts nothing."""

    def __init__(
        self,
        startup: Config,
        *,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`startup`: the settings without the admin's, with the address of Redis."""
        assert startup.redis_url is not None
        url = startup.redis_url.get_secret_value()
        self._clock = clock
        self._settings = EffectiveConfig(startup)
        self._bus = RedisBus(url, problems=lambda: self.pipeline.problems)
        self._fleet = Fleet(None, make_hub=lambda _on_watched: Hub(max_rate_hz=1), bus=self._bus, monotonic=monotonic)
        history = HistoryRecorder(lambda: history_settings_of(self._settings.config), clock=clock, monotonic=monotonic)
        self._alerts = AlertStage(
            startup,
            config=self._config_once_read,
            show=self._bus.set_alerts,
            contacts=lambda: self._fleet.contacts(clock()),
            newest=history.open_buckets,
            clock=clock,
            monotonic=monotonic,
        )
        usage = UsageLedger(lambda: ledger_settings_of(self._settings.config), clock=clock, monotonic=monotonic)
        self._reader = StreamReader(url, self._take_of_fleet, monotonic=monotonic)
        watch = DatabaseWatch(when_locked=self._begin, when_lost=self._end_at_once, poll_seconds=LOOK_SECONDS)
        settings = SettingsWatcher(self._settings, self._apply)
        registry = RegistryWatch(self._fleet, is_shared=True)
        work: list[Stage] = [history, usage, self._alerts, self._reader]
        self.pipeline = Pipeline([settings, watch, registry, self._bus, *work], later=work)
        self._has_begun = False

    def run(self, stopping: threading.Event) -> None:
        """Work, or wait to take over, until the event is set."""
        self.pipeline.start()
        log.info("gpumon engine: waiting for the lock in the database, which one engine has at a time")
        seq = 0
        while not stopping.wait(TICK_SECONDS):
            seq += 1
            # Rules about hosts, such as one that is down, are judged with snapshots of the hub's own host, which has no GPUs here.
            self._alerts.take(Snapshot(host=plain(socket.gethostname()), seq=seq, time=self._clock()))
        self.pipeline.stop()
        if self._has_begun:
            self._reader.note_all_recorded()

    def _begin(self) -> None:
        log.info("this engine judges and records the hosts from now on")
        self._has_begun = True
        self.pipeline.start_later()

    def _end_at_once(self) -> None:
        """Whatever this engine has not written, the other one reads again."""
        log.critical("another engine has taken over; this one ends")
        os._exit(1)

    def _take_of_fleet(self, snapshot: Snapshot, *, is_late: bool) -> None:
        if snapshot.host_id is not None:
            self._fleet.expect(snapshot.host_id, snapshot.host)
        self.pipeline.take_of_fleet(snapshot, is_late=is_late)

    def _apply(self, config: Config) -> None:
        set_log_level(config.log_level)
        self._alerts.changed()

    def _config_once_read(self) -> Config:
        """As of Runtime."""
        if not self._settings.was_read:
            self._settings.look(self._apply)
        return self._settings.config
