"""The metrics of gpumon itself: what it has read, whom it serves, what is wrong with it, and what it costs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import NamedTuple, get_args

from prometheus_client.metrics_core import Metric, SummaryMetricFamily
from prometheus_client.process_collector import ProcessCollector

from monitor.prometheus.families import counter, gauge, info
from monitor.prometheus.fleet_hosts import FleetHostFigures, fleet_hosts
from monitor.telemetry.sampler.status import Status
from monitor.telemetry.schema import Alert, Severity


class Program(NamedTuple):
    """The figures of the running process at this moment."""

    version: str
    sampler: Status
    tick_count: int
    """Snapshots that the pipeline has handed to the stages."""
    tick_seconds: float
    """How long that took, together."""
    stages: Collection[str]
    problems: Collection[str]
    """The stages that have one now."""
    clients: Mapping[str, int]
    """Open sockets by kind."""
    dropped_frames: int
    alerts: Sequence[Alert]
    """The open ones."""
    notifications_waiting: int | None
    notifications: Mapping[str, int]
    """Attempts since the start, by result: sent or failed."""
    database_bytes: Mapping[str, int]
    """Size of each SQLite database with its journal; empty with PostgreSQL."""
    hosts: Sequence[FleetHostFigures] = ()
    """The other hosts of the fleet."""


def program(figures: Program) -> Iterator[Metric]:
    """The families of these figures, and the process_… ones that every exporter has."""
    yield from info("gpumon_build_info", "The version of gpumon.", [{"version": figures.version}])
    for name, text, count in (
        ("gpumon_readings_total", "Readings of the GPUs.", figures.sampler.readings),
        ("gpumon_sampler_restarts_total", "Restarts of the process that reads the GPUs.", figures.sampler.restarts),
        (
            "gpumon_sampler_abandoned_total",
            "Sampler processes that hang in the driver and cannot be killed.",
            figures.sampler.abandoned,
        ),
        (
            "gpumon_dropped_frames_total",
            "Messages that clients missed because they did not read fast enough.",
            figures.dropped_frames,
        ),
    ):
        yield from counter(name, text, [({}, count)])
    yield SummaryMetricFamily(
        "gpumon_tick_seconds",
        "Time in which a snapshot was handed to all stages.",
        count_value=figures.tick_count,
        sum_value=figures.tick_seconds,
    )
    yield from gauge(
        "gpumon_stage_problem",
        "1 if the stage has a problem; /api/health says which.",
        (({"stage": stage}, float(stage in figures.problems)) for stage in figures.stages),
    )
    yield from gauge(
        "gpumon_clients", "Open WebSockets by kind.", (({"kind": kind}, n) for kind, n in figures.clients.items())
    )
    yield from _alerting(figures)
    yield from fleet_hosts(figures.hosts)
    yield from gauge(
        "gpumon_database_bytes",
        "Size of the SQLite database and its write-ahead log.",
        (({"database": name}, size) for name, size in figures.database_bytes.items()),
    )
    yield from ProcessCollector(registry=None).collect()


def _alerting(figures: Program) -> Iterator[Metric]:
    by_severity = Counter(alert.severity for alert in figures.alerts)
    yield from gauge(
        "gpumon_alerts_open",
        "Open alerts, acknowledged ones too.",
        (({"severity": severity}, by_severity[severity]) for severity in get_args(Severity)),
    )
    yield from gauge(
        "gpumon_notifications_waiting",
        "Messages that wait to be sent, on channels that are not disabled.",
        [({}, figures.notifications_waiting)],
    )
    yield from counter(
        "gpumon_notifications_total",
        "Attempts to send a message, by result.",
        (({"result": result}, count) for result, count in figures.notifications.items()),
    )
