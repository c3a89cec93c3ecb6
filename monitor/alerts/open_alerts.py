"""Open events as pages and feeds show them: with acknowledgements, silence, and how often they fired."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

import msgspec

from monitor.alerts import store
from monitor.alerts.alert_rows import as_time
from monitor.alerts.host_alerts import HostAlerts
from monitor.alerts.silence import is_silent
from monitor.alerts.store import Acknowledged, RuleRow
from monitor.rules.choices import SEVERITIES
from monitor.rules.evaluation import Event
from monitor.telemetry.schema import Alert

FLAPPING_SECONDS = 3600.0


class OpenAlerts:
    """Used in the engine's thread."""

    def __init__(self) -> None:
        self._acknowledged: dict[str, Acknowledged] = {}
        self._times: dict[tuple[int | None, str, str], int] = {}

    def load(self, open_ids: Collection[str], now: float) -> None:
        """Read what the database knows of the open events. `now`: Unix seconds. Raises Django's database errors."""
        self._acknowledged = store.load_acknowledged(open_ids) if open_ids else {}
        self._times = store.load_times_since(now - FLAPPING_SECONDS) if open_ids else {}

    def of(self, hosts: Iterable[HostAlerts], rules: Mapping[int, RuleRow], now: float) -> tuple[Alert, ...]:
        """The open alerts of these hosts, the worst first."""
        found = [
            self._alert(event, rules.get(event.rule_then.id), now, is_clearing=event.id in host.clearing)
            for host in hosts
            for event in host.open
        ]
        return tuple(sorted(found, key=worst_first))

    def _alert(self, event: Event, rule: RuleRow | None, now: float, *, is_clearing: bool) -> Alert:
        seen = self._acknowledged.get(event.id)
        return msgspec.structs.replace(
            event.alert(),
            acknowledged_at=seen.at if seen else None,
            acknowledged_by=seen.by if seen else None,
            note=seen.note if seen else None,
            is_muted=is_silent(rule.row if rule else None, as_time(now), event.gpu_uuid or "", event.host_id or ""),
            times_in_last_hour=max(1, self._times.get((event.rule_then.id, event.host_id or "", event.subject), 1)),
            is_clearing=is_clearing,
        )


def worst_first(alert: Alert) -> tuple[int, float]:
    """The order in which alerts are shown."""
    return -SEVERITIES.index(alert.severity), alert.fired_at
