"""The dashboard: its view, and everything on the page at one snapshot."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Literal

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from monitor.live.pieces import LivePage, Pieces, Value
from monitor.runtime.process import runtime
from monitor.telemetry.cuda_devices import visible_devices
from monitor.telemetry.gpu_use import IDLE_BY_DEFAULT, IdleLimits, use_of
from monitor.telemetry.schema import Gpu, Snapshot
from monitor.web.components.banner import Banner
from monitor.web.components.gpu_cards import Card
from monitor.web.components.gpu_tiles import LEGEND, Tile
from monitor.web.components.live_pieces import LivePieces
from monitor.web.components.open_alerts import by_gpu
from monitor.web.components.overview import Totals, notices_part, source_of, system_part, title_of
from monitor.web.components.process_table import ProcessTable, Sorting
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
    ) -> None:
        live = LivePieces()
        uses = [use_of(gpu, idle) for gpu in snapshot.gpus]
        sorting = sorting or Sorting()
        self.snapshot = snapshot
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
        alerts = by_gpu(snapshot.alerts)
        self.gpus: list[Card | Tile] = [
            Card(place, gpu, live, use, alerts.get(gpu.uuid, ()))
            if layout == "cards"
            else Tile(place, gpu, live, use, alerts.get(gpu.uuid, ()), time=snapshot.time)
            for place, (gpu, use) in enumerate(zip(snapshot.gpus, uses, strict=True))
        ]
        free = [gpu for gpu, use in zip(snapshot.gpus, uses, strict=True) if use == "free"]
        self.free = _free_gpus(snapshot, free, live)
        key = (
            layout,
            snapshot.host,
            (self.totals.memory_form.unit, self.totals.power_form.unit),
            tuple([kind.key(gpu) for gpu in snapshot.gpus]),
            None if snapshot.gpus else snapshot.providers,
        )
        self.overview = live.part("overview", key, "monitor/fragments/overview.html", {"page": self}, is_around=True)
        self.processes = ProcessTable(list(enumerate(snapshot.gpus)), live, sorting)
        self.system = system_part(snapshot, live)
        self.title, self.level = title_of(snapshot)
        self.pieces = Pieces(live.parts, live.values, self.title, self.level)


def _free_gpus(snapshot: Snapshot, free: Sequence[Gpu], live: LivePieces) -> Value:
    """The button that copies the free GPUs for CUDA. An empty CUDA_VISIBLE_DEVICES would hide every GPU, so it is disabled then."""
    assignment, named = visible_devices(free)
    if snapshot.stale:
        assignment, why = "", "The readings are stale: whether a GPU is free is not known now."
    elif not free:
        why = "No GPU is free."
    elif not assignment:
        why = "CUDA knows these GPUs by no name."
    else:
        why = "Copies CUDA_VISIBLE_DEVICES with their " + ("indexes" if "CUDA_DEVICE_ORDER" in assignment else "UUIDs")
    count = len(named) or len(free)
    label = f"{count} free GPU{'' if count == 1 else 's'}" if count else "No free GPU"
    is_disabled = "false" if assignment else "true"
    return live.text("free-gpus", label, ("data-free", assignment), ("aria-disabled", is_disabled), ("title", why))


def live_page(layout: Layout, idle_limits: Callable[[], IdleLimits]) -> LivePage:
    """The live dashboard. The limits may change and are read at each frame."""
    return LivePage(layout, lambda snapshot: Dashboard(snapshot, layout, idle=idle_limits()).pieces)


@never_cache
@require_safe
async def dashboard(request: HttpRequest) -> HttpResponse:
    """All GPUs; a first visit right after the start waits a moment for the readings."""
    snapshot = await first_seen(request)
    layout = layout_of(snapshot, request.GET.get("layout", ""), is_kiosk=is_kiosk(request))
    page = Dashboard(snapshot, layout, Sorting.of(request.GET), idle=runtime().idle_limits())
    return render(request, "monitor/dashboard.html", {"page": page, **await base_context(request, layout)})
