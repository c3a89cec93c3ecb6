"""Everything that runs in one gpumon process: sampler, pipeline, effective settings. Made whole, then started once."""

from __future__ import annotations

import atexit
import socket
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from monitor.access.setup_link import SetupLink
from monitor.config.model import Config
from monitor.config.sampling import idle_limits_of, sampler_options
from monitor.fleet.bus.base import Bus, Publish
from monitor.fleet.bus.in_process import InProcessBus
from monitor.fleet.hosts import Fleet
from monitor.fleet.registry_watch import RegistryWatch
from monitor.fleet.ticks import FleetTicks
from monitor.history.recorder import HistoryRecorder
from monitor.live.hub import Hub
from monitor.logs.config import set_log_level
from monitor.notifications.heartbeat import Heartbeat
from monitor.prometheus.program import Program, program
from monitor.prometheus.stage import MetricsStage
from monitor.rules import validation
from monitor.rules.rule import Rule
from monitor.runtime.alerting import AlertStage
from monitor.runtime.data_folder import DATABASES, DataFolder
from monitor.runtime.database_watch import DatabaseWatch
from monitor.runtime.effective_config import EffectiveConfig, history_settings_of, ledger_settings_of
from monitor.runtime.pipeline import Pipeline
from monitor.runtime.program import program_of
from monitor.runtime.settings_watcher import SettingsWatcher
from monitor.runtime.stages import Stage
from monitor.runtime.unrecorded_gpus import UnrecordedGpus
from monitor.sanitize import plain
from monitor.telemetry.free.free_time import FreeTime
from monitor.telemetry.gpu_use import IdleLimits
from monitor.telemetry.host.system import SystemMetrics
from monitor.telemetry.pulse import Pulse
from monitor.telemetry.sampler.process import COMMAND
from monitor.telemetry.sampler.restart_schedule import LOOK_AGAIN_SECONDS
from monitor.telemetry.sampler.supervisor import Supervisor
from monitor.telemetry.schema import Alert, Snapshot
from monitor.usage.ledger import UsageLedger
from monitor.version import __version__


class Runtime:
    """Making one starts no thread and no process, reads no database and no driver. `start` does."""

    def __init__(
        self,
        startup: Config,
        *,
        version: str = __version__,
        host_id: str | None = None,
        stages: Sequence[Stage] = (),
        sampler_command: Sequence[str] = COMMAND,
        look_again_seconds: float = LOOK_AGAIN_SECONDS,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`startup`: the settings without the admin's. `version`: of the server and its static files; open pages offer to reload
        when it differs from theirs. `host_id`: of this host (config/host_id.py). `stages`: more stages, after the usual ones.
        `sampler_command`, `look_again_seconds`: see Supervisor.
        """
        self.version = version
        self.settings = EffectiveConfig(startup)
        self.setup_link = SetupLink(monotonic)
        self.open_alerts: tuple[Alert, ...] = ()
        """Of all hosts, the worst first."""
        self.hub = Hub(max_rate_hz=startup.ws_max_rate_hz, version=version, on_watched=self._set_watched)
        self.history = HistoryRecorder(lambda: history_settings_of(self.config), clock=clock, monotonic=monotonic)
        self.alerts = AlertStage(
            startup,
            config=self._config_once_read,
            show=self.show_alerts,
            contacts=lambda: self.fleet.contacts(clock()),
            newest=self.history.open_buckets,
            clock=clock,
            monotonic=monotonic,
        )
        self.free_time = FreeTime()
        self.usage = UsageLedger(lambda: ledger_settings_of(self.config), clock=clock, monotonic=monotonic)
        bus = _bus(startup, self._take_of_fleet, self.show_alerts)
        self.fleet = Fleet(host_id, make_hub=self._hub_for_host, bus=bus, monotonic=monotonic)
        self.fleet_ticks = FleetTicks(
            make_hub=self._hub_for_host, host=self._host_name, alerts=lambda: self.open_alerts
        )
        self.metrics = MetricsStage(lambda: program(self._program()), monotonic=monotonic)
        # The settings first, so that no other stage starts with settings that the admin has replaced. Then the hub, so that
        # viewers get a snapshot before anything else is done with it.
        settings = SettingsWatcher(self.settings, self._apply)
        is_shared = isinstance(bus, Stage)
        # The engine of a hub of several processes does this for all of them.
        recording: list[Stage] = [] if is_shared else [self.history, self.usage, self.alerts]
        self.pipeline = Pipeline(
            [
                settings,
                *_storage_stages(startup),
                self.hub,
                self.metrics,
                self.free_time,
                *recording,
                RegistryWatch(self.fleet, is_shared=is_shared),
                *([bus, UnrecordedGpus(self._gpus_of_agents, monotonic=monotonic)] if isinstance(bus, Stage) else ()),
                *_heartbeat(startup, problems=lambda: self.problems, monotonic=monotonic),
                *stages,
            ]
        )
        self.supervisor = Supervisor(
            sampler_options(startup),
            self.pipeline.take,
            host=plain(socket.gethostname()),
            host_id=host_id,
            timeout_seconds=startup.sampler_timeout_ms / 1000,
            system=SystemMetrics().read if startup.enable_system_metrics else None,
            command=sampler_command,
            look_again_seconds=look_again_seconds,
            clock=clock,
            monotonic=monotonic,
            idle=self.idle_limits,
        )
        self._has_system_metrics = startup.enable_system_metrics
        self._lock = threading.Lock()
        self._has_started = self._has_stopped = False

    # ── Start and stop ────────────────────────────────────────────────────────────────────────────────────────────────

    def start(self) -> None:
        """Start the stages, then the sampler. A second call does nothing. Python's exit stops it, however the server ends."""
        with self._lock:
            if self._has_started:
                return
            self._has_started = True
            atexit.register(self.stop)
            self.pipeline.start()
            self.supervisor.start()

    def stop(self) -> None:
        """Stop the stages, the last one first, then the sampler. A second call does nothing.

        The sampler is last because a hanging driver can delay its end by seconds, and alerts must be saved before that.
        """
        with self._lock:
            if not self._has_started or self._has_stopped:
                return
            self._has_stopped = True
            atexit.unregister(self.stop)
            self.pipeline.stop()
            self.supervisor.stop()

    @property
    def is_running(self) -> bool:
        """Whether snapshots can be expected."""
        return self._has_started and not self._has_stopped

    def pulse(self) -> Pulse:
        """Whether snapshots are made from now on, for a watchdog."""
        return Pulse(lambda: self.hub.taken_at, lambda: self.config.poll_interval_ms / 1000)

    # ── Settings ──────────────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def config(self) -> Config:
        """The effective settings as of the last look. They can change at any time: do not keep them."""
        return self.settings.config

    def apply_settings(self) -> bool:
        """Read the admin's settings now and apply them if they have changed; says whether they had. Not in an event loop."""
        return self.settings.look(self._apply)

    def _apply(self, config: Config) -> None:
        set_log_level(config.log_level)
        self.supervisor.set_options(sampler_options(config))
        self.hub.set_max_rate(config.ws_max_rate_hz)
        self.fleet.set_max_rate(config.ws_max_rate_hz)
        if config.enable_system_metrics != self._has_system_metrics:
            self._has_system_metrics = config.enable_system_metrics
            self.supervisor.set_system(SystemMetrics().read if config.enable_system_metrics else None)
        self.alerts.changed()

    def _config_once_read(self) -> Config:
        """For the alert engine: with other idle limits than before a restart, it would resolve the alerts that were open."""
        if not self.settings.was_read:
            self.apply_settings()
        return self.config

    # ── For pages and commands ────────────────────────────────────────────────────────────────────────────────────────

    def idle_limits(self) -> IdleLimits:
        """When a GPU counts as idle-held."""
        return idle_limits_of(self.config)

    def make_rule(self, given: Mapping[str, Any]) -> Rule:
        """A rule from an AlertRule's fields (`gpus` as UUIDs), with the effective idle limits. Raises BadRule."""
        return validation.make(given, self.idle_limits())

    def show_alerts(self, alerts: tuple[Alert, ...]) -> None:
        """The open alerts of all hosts, the worst first; the snapshots of each host have its own. From any thread."""
        self.open_alerts = alerts
        self.hub.set_alerts(tuple([alert for alert in alerts if alert.host_id is None]))
        self.fleet.set_alerts(alerts)

    @property
    def problems(self) -> dict[str, str]:
        """What is wrong with the stages, by name."""
        return self.pipeline.problems

    def _program(self) -> Program:
        startup = self.settings.startup
        folder = startup.data_dir if startup.database_address is None else None
        notifier = self.alerts.notifier
        return program_of(
            self.pipeline,
            self.supervisor,
            self.hub,
            notifier,
            self.fleet,
            alerts=self.open_alerts,
            sqlite_folder=folder,
        )

    def _hub_for_host(self, on_watched: Callable[[bool], None]) -> Hub:
        return Hub(max_rate_hz=self.config.ws_max_rate_hz, version=self.version, on_watched=on_watched)

    def _gpus_of_agents(self) -> set[str]:
        return {gpu.uuid for host in self.fleet.summaries() for gpu in host.gpus}

    def _host_name(self) -> str:
        latest = self.hub.published
        return latest.host if latest else plain(socket.gethostname())

    def _take_of_fleet(self, snapshot: Snapshot, *, is_late: bool) -> None:
        self.pipeline.take_of_fleet(snapshot, is_late=is_late)

    def _set_watched(self, is_watched: bool) -> None:
        self.supervisor.set_watched(is_watched)


def _bus(config: Config, publish: Publish, show_alerts: Callable[[tuple[Alert, ...]], None]) -> Bus:
    """Redis and its library are loaded by a hub of several processes only."""
    if config.redis_url is None:
        return InProcessBus(publish)
    from monitor.fleet.bus.redis import RedisBus

    return RedisBus(config.redis_url.get_secret_value(), show_alerts=show_alerts)


def _storage_stages(config: Config) -> list[Stage]:
    """They watch where data are kept."""
    has_server = config.database_address is not None
    databases = () if has_server else DATABASES
    folder = DataFolder(config.data_dir, static_root=config.static_dir, databases=databases)
    # Of a hub of several processes, the engine has the lock.
    return [folder, DatabaseWatch()] if has_server and config.redis_url is None else [folder]


def _heartbeat(
    config: Config, *, problems: Callable[[], Mapping[str, str]], monotonic: Callable[[], float]
) -> list[Stage]:
    """The stage that sends heartbeats, if there is an address for them."""
    if config.heartbeat_url is None:
        return []
    url, forbids_private = config.heartbeat_url.get_secret_value(), config.forbid_private_webhooks
    return [Heartbeat(url, problems=problems, forbids_private=forbids_private, monotonic=monotonic)]
