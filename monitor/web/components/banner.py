"""The banner with the worst open alert, and the count next to the link, at the top of every page."""

from __future__ import annotations

import zlib

from monitor.rules.sentences import happening
from monitor.telemetry.schema import Snapshot
from monitor.web.components.live_pieces import LivePieces
from monitor.web.components.open_alerts import counted_in_words, level_of, names_hosts, speaking_up


class Banner:
    """The worst alert that is not acknowledged, and the count. The same for all viewers."""

    def __init__(self, snapshot: Snapshot, live: LivePieces) -> None:
        alerts = snapshot.alerts
        loud = speaking_up(alerts)
        self.alert = alert = loud[0] if loud else None
        key = None
        if alert is not None:
            self.happening = live.text("banner-now", happening(alert, snapshot))
            # A value, not in the key: rendered again, the alert would be read out again.
            self.more = live.text("banner-more", f"and {len(loud) - 1} more" if len(loud) > 1 else "see all")
            self.host = alert.host if names_hosts(snapshot) and alert.host not in alert.summary else ""
            key = (alert.id, alert.severity, alert.summary, alert.rule, self.host)
        self.part = live.part("banner", key, "monitor/fragments/banner.html", {"banner": self})
        counts = counted_in_words(alerts)
        self.count = live.text("alerts-count", str(len(alerts) or ""))
        self.link = live.state(
            "alerts-link",
            title=counts,
            aria_label=f"Alerts {len(alerts)}: {counts}" if counts else "Alerts",  # begins with the visible text
            data_level=level_of(loud),
            # Changes with the set of alerts: the notifying script then asks /api/alerts.
            data_alerts=f"{zlib.crc32(' '.join(alert.id for alert in loud).encode()):08x}",
        )
