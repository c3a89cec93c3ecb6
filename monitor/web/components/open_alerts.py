"""Open alerts on the pages: which ones are loud, how many there are, and each one in words."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Literal

import msgspec

from monitor.live.pieces import Part
from monitor.rules.sentences import happening, repeated
from monitor.telemetry.schema import Alert, Gpu, Severity, Snapshot
from monitor.web.components.live_pieces import LivePieces

Level = Literal["ok", "warning", "critical"]
HostOf = Callable[[Alert], Snapshot | None]
WORST_FIRST: tuple[Severity, ...] = ("critical", "warning", "info")


def speaking_up(alerts: Iterable[Alert]) -> list[Alert]:
    """The alerts that are not acknowledged, worst first. The others are only counted and listed."""
    return [alert for alert in alerts if alert.acknowledged_at is None]


def by_gpu(snapshot: Snapshot) -> dict[str, list[Alert]]:
    """The host's alerts by the GPU's UUID, worst first, without those of the whole host."""
    found: dict[str, list[Alert]] = {}
    for alert in snapshot.alerts:
        if alert.gpu_uuid is not None:
            found.setdefault(alert.gpu_uuid, []).append(alert)
    return found


def names_hosts(snapshot: Snapshot) -> bool:
    """Whether its alerts are shown with the names of their hosts."""
    return any(alert.host_id is not None for alert in snapshot.alerts)


def count_by_severity(alerts: Iterable[Alert]) -> dict[Severity, int]:
    """The number of alerts of each severity, 0 included, least severe first."""
    severities = [alert.severity for alert in alerts]
    return {severity: severities.count(severity) for severity in reversed(WORST_FIRST)}


def counted_in_words(alerts: Sequence[Alert]) -> str:
    """1 critical, 2 warnings, 1 of them acknowledged; empty if there are none."""
    counts = count_by_severity(alerts)
    words = {"critical": "critical", "warning": "warning" if counts["warning"] == 1 else "warnings", "info": "info"}
    parts = [f"{counts[severity]} {words[severity]}" for severity in WORST_FIRST if counts[severity]]
    if quiet := len(alerts) - len(speaking_up(alerts)):
        parts.append(f"{quiet} of them acknowledged" if quiet < len(alerts) else "acknowledged")
    return ", ".join(parts)


def level_of(alerts: Iterable[Alert]) -> Level:
    """The level of the worst alert; info counts as ok."""
    severities = {alert.severity for alert in alerts}
    return "critical" if "critical" in severities else "warning" if "warning" in severities else "ok"


def in_a_few_words(alert: Alert, snapshot: Snapshot) -> str:
    """GPU 5 hot, GPU 5 clearing, or GPU 5 and the rule's name, for the title of a tab. On a page of all hosts, an alert of
    another one has its name.
    """
    if alert.host_id not in (None, snapshot.host_id):
        return f"{alert.host}: {_on_its_host(alert, ())}"
    return _on_its_host(alert, snapshot.gpus)


def _on_its_host(alert: Alert, gpus: Iterable[Gpu]) -> str:
    if alert.gpu_index is None:
        return alert.rule
    if alert.is_clearing:
        return f"GPU {alert.gpu_index} clearing"
    gpu = next((gpu for gpu in gpus if gpu.uuid == alert.gpu_uuid), None)
    if gpu is not None and gpu.state == "lost":
        return f"GPU {alert.gpu_index} lost"
    if alert.metric == "gpu.temperature_celsius" and (alert.value or 0.0) >= (alert.threshold or 0.0):
        return f"GPU {alert.gpu_index} hot"
    return f"GPU {alert.gpu_index}: {alert.rule}"


def periods_of(alerts: Iterable[Alert]) -> str:
    """For the charts: JSON of each alert's id, start in Unix seconds, severity and metric; empty without alerts."""
    periods = [(alert.id, alert.started_at, alert.severity, alert.metric) for alert in alerts]
    return msgspec.json.encode(periods).decode() if periods else ""


class OpenAlert:
    def __init__(self, alert: Alert, snapshot: Snapshot, live: LivePieces, host_of: HostOf) -> None:
        self.alert = alert
        self.fired_at = datetime.fromtimestamp(alert.fired_at, UTC)
        self.happening = live.text(f"now-{alert.id}", happening(alert, host_of(alert) or snapshot))
        self.repeated = repeated(alert.times_in_last_hour, "in the last hour")
        self.host = alert.host if names_hosts(snapshot) else ""


def open_alerts_part(
    snapshot: Snapshot, live: LivePieces, *, gpu_uuid: str | None = None, host_of: HostOf = lambda _alert: None
) -> Part:
    """The list of open alerts of one GPU or of all. `host_of`: the newest snapshot of an alert's host, if that is another one."""
    shown = snapshot.alerts if gpu_uuid is None else by_gpu(snapshot).get(gpu_uuid, ())
    rows = [OpenAlert(alert, snapshot, live, host_of) for alert in shown]
    context: Mapping[str, object] = {"rows": rows, "is_of_one_gpu": gpu_uuid is not None}
    return live.part(
        "open-alerts", (names_hosts(snapshot), *shown), "monitor/fragments/alerts/open_alerts.html", context
    )
