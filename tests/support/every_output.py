"""Everything that shows a snapshot: the feed, the live pages and the metrics."""

from __future__ import annotations

import msgspec

from monitor.live.frames import Frame
from monitor.live.hub import Hub
from monitor.prometheus.stage import MetricsStage
from monitor.prometheus.vocabularies import VOCABULARIES
from monitor.telemetry.gpu_use import IDLE_BY_DEFAULT
from monitor.telemetry.schema import Snapshot
from monitor.web.pages import alerts, dashboard, history
from monitor.web.pages import gpu as gpu_page


def show_everywhere(snapshot: Snapshot, *, most_gpu_pages: int = 1000) -> None:
    """Raises what any of them raises. With many GPUs, the pages of the first ones are enough."""
    hub = Hub(max_rate_hz=5)
    hub.take(snapshot)
    frame = Frame(1, snapshot, minute=hub.minute, quarter=hub.quarter, version="1")
    pages = [
        *(dashboard.live_page(layout, lambda: IDLE_BY_DEFAULT) for layout in dashboard.LAYOUTS.values()),
        *(gpu_page.live_page(each.uuid, lambda: IDLE_BY_DEFAULT) for each in snapshot.gpus[:most_gpu_pages]),
        alerts.LIVE_PAGE,
        history.LIVE_PAGE,
    ]
    assert msgspec.json.decode(frame.feed())["seq"] == snapshot.seq
    for page in pages:
        assert msgspec.json.decode(frame.page(page, 0))["kind"] == "full"
    for accept in ("", "application/openmetrics-text"):
        for has_details in (True, False):
            MetricsStage().body_of(
                snapshot, [*VOCABULARIES], accept, is_silent=False, has_details=has_details, most_processes=5
            )
