"""The metrics of a hub about the other hosts of its fleet. Their GPUs are in scrapes with `?host=`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from prometheus_client.metrics_core import Metric

from monitor.prometheus.families import gauge

STATES = ("active", "may_be_off", "pending", "retired", "revoked")
_SENDING = ("active", "may_be_off")


class FleetHostFigures(NamedTuple):
    """One host."""

    name: str
    state: str
    """One of STATES."""
    is_up: bool | None
    """Readings arrive; None: the hub has not run for long enough to know."""
    age_seconds: float | None
    """Since its newest snapshot arrived."""
    clock_offset_seconds: float | None
    """How far its clock is ahead of the hub's."""


def fleet_hosts(hosts: Sequence[FleetHostFigures]) -> Iterator[Metric]:
    """Nothing without hosts."""
    if not hosts:
        return
    count = Counter(host.state for host in hosts)
    yield from gauge(
        "gpumon_fleet_hosts",
        "Hosts of the fleet beside the hub, by state.",
        (({"state": state}, count[state]) for state in STATES),
    )
    sending = [(host, {"host": host.name}) for host in hosts if host.state in _SENDING]
    yield from gauge(
        "gpumon_fleet_host_up",
        "1 if readings arrive from the host.",
        (({**labels, "state": host.state}, host.is_up) for host, labels in sending),
    )
    yield from gauge(
        "gpumon_fleet_host_age_seconds",
        "Time since the newest reading of the host arrived, by the hub's clock.",
        ((labels, host.age_seconds) for host, labels in sending),
    )
    yield from gauge(
        "gpumon_fleet_host_clock_offset_seconds",
        "How far the clock of the host is ahead of the hub's.",
        ((labels, host.clock_offset_seconds) for host, labels in sending),
    )
