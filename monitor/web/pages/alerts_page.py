"""The page of alerts at one snapshot: those that are open, live. What has been stands below, from the database."""

from __future__ import annotations

from monitor.live.pieces import LivePage, Pieces
from monitor.telemetry.schema import Snapshot
from monitor.web.components.banner import Banner
from monitor.web.components.live_pieces import LivePieces
from monitor.web.components.open_alerts import counted_in_words, open_alerts_part
from monitor.web.components.overview import notices_part, source_of, trouble


class AlertsPage:
    """Everything live on the page."""

    def __init__(self, snapshot: Snapshot) -> None:
        live = LivePieces()
        self.snapshot = snapshot
        self.source = live.text("source", source_of(snapshot))
        self.notices = notices_part(snapshot, live)
        self.banner = Banner(snapshot, live)
        self.open_count = live.text("open-count", counted_in_words(snapshot.alerts) or "none")
        self.open_alerts = open_alerts_part(snapshot, live)
        what, self.level = trouble(snapshot)
        self.title = f"{what} · {snapshot.host}" if what else f"Alerts · {snapshot.host}"
        self.pieces = Pieces(live.parts, live.values, self.title, self.level)


LIVE_PAGE = LivePage("alerts", lambda snapshot: AlertsPage(snapshot).pieces, has_charts=False)
"""The page as the sockets know it."""
