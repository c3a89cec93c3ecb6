"""The figures of this process for /metrics, gathered when somebody scrapes."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence
from pathlib import Path

from monitor.fleet.hosts import Fleet
from monitor.live.hub import Hub
from monitor.notifications.notifier import Notifier
from monitor.prometheus.fleet_hosts import FleetHostFigures
from monitor.prometheus.program import Program
from monitor.runtime.data_folder import DATABASES
from monitor.runtime.pipeline import Pipeline
from monitor.telemetry.sampler.supervisor import Supervisor
from monitor.telemetry.schema import Alert
from monitor.version import __version__

_WITH_LOG = ("", "-wal")


def program_of(
    pipeline: Pipeline,
    supervisor: Supervisor,
    hub: Hub,
    notifier: Notifier,
    fleet: Fleet,
    *,
    alerts: Sequence[Alert],
    sqlite_folder: Path | None,
) -> Program:
    """`alerts`: the open ones of all hosts. `sqlite_folder`: where the databases are, unless PostgreSQL holds them."""
    return Program(
        version=__version__,
        sampler=supervisor.status,
        tick_count=pipeline.tick_count,
        tick_seconds=pipeline.tick_seconds,
        stages=pipeline.names,
        problems=pipeline.problems.keys(),
        clients=dict(hub.clients),
        dropped_frames=hub.dropped_frames,
        alerts=alerts,
        notifications_waiting=notifier.waiting,
        notifications=notifier.results,
        database_bytes={} if sqlite_folder is None else _sizes(sqlite_folder),
        hosts=_hosts(fleet) if fleet.has_hosts else (),
    )


def _hosts(fleet: Fleet) -> list[FleetHostFigures]:
    is_down = {contact.host_id: contact.is_down for contact in fleet.contacts(time.time()) or ()}
    return [
        FleetHostFigures(
            name=host.name,
            state=host.state,
            is_up=None if (down := is_down.get(host.host_id or "")) is None else not down,
            age_seconds=host.age_seconds,
            clock_offset_seconds=host.clock_offset_seconds,
        )
        for host in fleet.summaries()
    ]


def _sizes(folder: Path) -> dict[str, int]:
    """By the file's name without its suffix. A file that is missing has no size; its stage reports it."""
    sizes: dict[str, int] = {}
    for name in DATABASES:
        for suffix in _WITH_LOG:
            with contextlib.suppress(FileNotFoundError):
                key = name.removesuffix(".sqlite3")
                sizes[key] = sizes.get(key, 0) + (folder / f"{name}{suffix}").stat().st_size
    return sizes
