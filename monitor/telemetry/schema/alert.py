"""An alert, the same wherever it is sent."""

from __future__ import annotations

from typing import Literal

import msgspec

Severity = Literal["info", "warning", "critical"]
AlertState = Literal["firing", "resolved"]
AlertClock = Literal["host", "hub"]


class Alert(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An alert from the moment it fires, as feeds, API, webhooks and the command line encode it. A snapshot has the open ones."""

    id: str
    """UUID. It never changes, not even when the alert resolves."""
    rule: str
    """The rule's name when the alert fired."""
    severity: Severity
    state: AlertState = "firing"
    host: str
    """Its name when the alert fired."""
    host_id: str | None = None
    """Of a host whose agent has joined; null: the host that answers."""
    summary: str
    """What happened, in words that stay true: GPU 5 reached 88 °C (limit 87 °C). Names neither users nor commands. When the alert
    resolves, it gets the worst value and the duration: GPU 5 reached 91 °C (limit 87 °C) for 7 min 12 s.
    """
    detail: str | None = None
    """More about it: which user and process hold the memory, what an Xid means and what to do."""
    gpu_uuid: str | None = None
    """Null if the alert is about the whole host."""
    gpu_index: int | None = None
    gpu_name: str | None = None
    pid: int | None = None
    """The process, if the alert is about one."""
    metric: str | None = None
    """By struct and field of the schema: gpu.temperature_celsius."""
    value: float | None = None
    """When the alert fired, in the metric's unit."""
    worst_value: float | None = None
    """The worst value until the alert resolved; while it fires, `value`."""
    threshold: float | None = None
    """The limit that the value passed."""
    timed_by: AlertClock = "host"
    """Whose clock the times below are by: that of the alert's host, or the hub's, if the alert is about the host's silence."""
    started_at: float
    """When the condition was first met, by the timestamps of the readings."""
    fired_at: float
    resolved_at: float | None = None
    resolved_because: str | None = None
    acknowledged_at: float | None = None
    acknowledged_by: str | None = None
    note: str | None = None
    """The note of the acknowledgement."""
    is_muted: bool = False
    """Notifications about it are off: muted, snoozed, or in quiet hours. False once it has resolved."""
    is_clearing: bool = False
    """The condition no longer holds; the alert resolves if that stays so for the time that its rule sets."""
    times_in_last_hour: int = 1
    """How often its rule fired for the same GPU, process or host within the last hour, this time included; for open alerts."""
