"""The dashboard: its view, and everything on the page at one snapshot."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from monitor.access.middleware import opens_with_link
from monitor.http.security_headers import allow_frames
from monitor.live.pieces import LivePage, Pieces
from monitor.runtime.process import runtime
from monitor.telemetry.gpu_use import IDLE_BY_DEFAULT, IdleLimits, use_of
from monitor.telemetry.schema import Snapshot
from monitor.web.api.hosts import NoSuchHost
from monitor.web.components.banner import Banner
from monitor.web.components.free_gpus import free_button
from monitor.web.components.gpu_cards import Card
from monitor.web.components.gpu_tiles import LEGEND, Tile
from monitor.web.components.live_pieces import LivePieces
from monitor.web.components.open_alerts import by_gpu
from monitor.web.components.overview import Totals, notices_part, source_of, system_part, title_of
from monitor.web.components.process_table import ProcessTable, Sorting
from monitor.web.hosts.addresses import host_in_addresses
from monitor.web.hosts.missing import no_such_host
from monitor.web.pages.base_context import base_context, is_kiosk
from monitor.web.snapshots import first_seen

Layout = Literal["cards", "tiles"]
LAYOUTS: Mapping[str, Layout] = {"cards": "cards", "tiles": "tiles"}
MOST_CARDS = 8
"""Above this number, GPUs are shown as tiles by default."""


def layout_of(snapshot: Snapshot, wanted: str, *, is_kiosk: bool = False) -> Layout:
    """Cards or tiles: the wanted one, else by the number of GPUs. On a wall screen the number decides: more cards do not fit."""
    by_number: Layout = "tiles" if len(snapshot.gpus) > MOST_CARDS else "cards"
    return by_number if is_kiosk else LAYOUTS.get(wanted, by_number)


class Dashboard:
    def __init__(
        self,
        snapshot: Snapshot,
        layout: Layout,
        sorting: Sorting | None = None,
        *,
        idle: IdleLimits = IDLE_BY_DEFAULT,
        host: str = "",
    ) -> None:
        """`host`: what addresses call the host, if it is not the one that answers. Its agent has judged which GPUs are in use."""
        live = LivePieces()
        uses = [gpu.use if host else use_of(gpu, idle) for gpu in snapshot.gpus]
        sorting = sorting or Sorting()
        self.snapshot = snapshot
        self.host = host
        self.layout = layout
        count = len(snapshot.gpus)
        self.size = "small" if count <= 16 else "middle" if count <= 64 else "large"
        self.legend = LEGEND if layout == "tiles" else ()
        self.arrangement = sorting.as_query()
        self.source = live.text("source", source_of(snapshot))
        self.notices = notices_part(snapshot, live)
        self.banner = Banner(snapshot, live)
        self.totals = Totals(snapshot, live, uses)
        kind: type[Card | Tile] = Card if layout == "cards" else Tile
        alerts = by_gpu(snapshot)
        self.gpus: list[Card | Tile] = [
            Card(place, gpu, live, use, alerts.get(gpu.uuid, ()), host=host)
            if layout == "cards"
            else Tile(place, gpu, live, use, alerts.get(gpu.uuid, ()), time=snapshot.time, host=host)
            for place, (gpu, use) in enumerate(zip(snapshot.gpus, uses, strict=True))
        ]
        self.free = free_button(snapshot, uses, live)
        key = (
            layout,
            snapshot.host,
            (self.totals.memory_form.unit, self.totals.power_form.unit),
            tuple([kind.key(gpu) for gpu in snapshot.gpus]),
            None if snapshot.gpus else snapshot.providers,
        )
        self.overview = live.part(
            "overview",
            key,
            "monitor/fragments/overview.html",
            {"page": self},
            is_around=True,
            outline_key=(host, self.arrangement),
        )
        self.processes = ProcessTable(list(enumerate(snapshot.gpus)), live, sorting)
        self.system = system_part(snapshot, live)
        self.title, self.level = title_of(snapshot)
        self.pieces = Pieces(live.parts, live.values, self.title, self.level)


def live_page(layout: Layout, idle_limits: Callable[[], IdleLimits], host: str = "") -> LivePage:
    """The live dashboard. The limits may change and are read at each frame. `host` as in Dashboard."""
    return LivePage(layout, lambda snapshot: Dashboard(snapshot, layout, idle=idle_limits(), host=host).pieces)


@opens_with_link
@never_cache
@require_safe
async def dashboard(request: HttpRequest, host: str | None = None) -> HttpResponse:
    """All GPUs of a host, by default of this one; a first visit right after the start waits a moment for the readings."""
    try:
        snapshot = await first_seen(request, host)
    except NoSuchHost as error:
        return await no_such_host(request, error)
    other = host_in_addresses(host)
    layout = layout_of(snapshot, request.GET.get("layout", ""), is_kiosk=is_kiosk(request))
    page = Dashboard(snapshot, layout, Sorting.of(request.GET), idle=runtime().idle_limits(), host=other)
    context = {"page": page, **await base_context(request, layout, host=other)}
    response = render(request, "monitor/dashboard.html", context)
    if is_kiosk(request):  # which has no controls that another page could make someone click
        allow_frames(response, runtime().config.frame_ancestors)
    return response
