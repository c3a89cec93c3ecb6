"""What runs in `gpumon engine`: the stages that judge and record the hosts of a hub of several processes.

The engines of a hub share its hosts: each has some of the shards, by locks in the database (shard_watch.py). It reads the readings
of their hosts from Redis, and gives the open alerts back there. When one dies, the others take its shards, and continue from the
database and from what Redis still has.
"""

from __future__ import annotations

import logging
import os
import secrets
import socket
import threading
import time
from collections.abc import Callable
from typing import cast

import msgspec
from django.db import DEFAULT_DB_ALIAS, connections

from monitor.config.model import Config
from monitor.fleet.bus.base import EngineNews
from monitor.fleet.bus.redis import RedisBus
from monitor.fleet.hosts import Fleet
from monitor.fleet.registry_watch import RegistryWatch
from monitor.live.hub import Hub
from monitor.logs.config import set_log_level
from monitor.postgresql.base import DatabaseWrapper
from monitor.postgresql.engine_locks import ENGINE_NAME, EngineLocks
from monitor.runtime.effective_config import EffectiveConfig
from monitor.runtime.pipeline import Pipeline
from monitor.runtime.settings_watcher import SettingsWatcher
from monitor.runtime.shard_watch import ShardWatch
from monitor.runtime.shard_work import ShardWork
from monitor.sanitize import plain
from monitor.shards import Shard
from monitor.telemetry.schema import Snapshot

log = logging.getLogger(__name__)

TICK_SECONDS = 1.0
"""Between two evaluations of the rules about hosts."""


def name_connections() -> None:
    """Before the first one that writes: when this engine is dead, another one finds those that are left by their name."""
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
        self._startup = startup
        self._clock, self._monotonic = clock, monotonic
        self._settings = EffectiveConfig(startup)
        bus = RedisBus(startup.redis_url.get_secret_value(), news=self._news)
        self._fleet = Fleet(None, make_hub=lambda _on_watched: Hub(max_rate_hz=1), bus=bus, monotonic=monotonic)
        self._shards = ShardWatch(_locks, new_work=self._work_of, end_at_once=_end_at_once)
        settings = SettingsWatcher(self._settings, self._apply)
        # The shards stop first, and the bus still tells what they have written.
        self._pipeline = Pipeline([settings, RegistryWatch(self._fleet, is_shared=True), bus, self._shards])

    def run(self, stopping: threading.Event) -> None:
        """Judge and record a part of the hosts, or wait to take over from another engine, until the event is set."""
        self._pipeline.start()
        log.info("gpumon engine: looking for hosts that no engine judges and records")
        seq = 0
        while not stopping.wait(TICK_SECONDS):
            seq += 1
            tick = Snapshot(host=plain(socket.gethostname()), seq=seq, time=self._clock())
            for work in self._works():
                work.take(tick)
        self._pipeline.stop()

    def _works(self) -> list[ShardWork]:
        return [*self._shards.works.values()]

    def _work_of(self, shard: Shard) -> ShardWork:
        return ShardWork(
            shard,
            self._startup,
            config=self._config_once_read,
            fleet=self._fleet,
            clock=self._clock,
            monotonic=self._monotonic,
        )

    def _news(self) -> dict[int, EngineNews]:
        """The news of each shard for the servers, with the problems of the engine itself."""
        found = {number: work.news() for number, work in [*self._shards.works.items()]}
        problems = self._pipeline.problems
        return {
            number: msgspec.structs.replace(news, problems={**problems, **news.problems})
            for number, news in found.items()
            if news is not None
        }

    def _apply(self, config: Config) -> None:
        set_log_level(config.log_level)
        for work in self._works():
            work.settings_changed()

    def _config_once_read(self) -> Config:
        """As of Runtime."""
        if not self._settings.was_read:
            self._settings.look(self._apply)
        return self._settings.config


def _locks() -> EngineLocks:
    return cast("DatabaseWrapper", connections[DEFAULT_DB_ALIAS]).new_engine_locks()


def _end_at_once() -> None:
    """Whatever this engine has not written, another one reads again."""
    os._exit(1)
