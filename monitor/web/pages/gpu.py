"""The page of one GPU, with its view: charts of any span, processes, alerts, MIG instances, NVLink, facts."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Any, NamedTuple
from urllib.parse import urlencode

from asgiref.sync import sync_to_async
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from django.views.decorators.vary import vary_on_headers

from monitor import formats
from monitor.access.middleware import opens_with_link
from monitor.access.visitor import visitor_of
from monitor.history.store import OWN
from monitor.live.pieces import LivePage, Pieces, Value
from monitor.runtime.process import runtime
from monitor.telemetry.gpu_use import IDLE_BY_DEFAULT, IdleLimits, is_hot, use_of
from monitor.telemetry.schema import Alert, Gpu, MigInstance, NvLink, Snapshot
from monitor.web.api.hosts import NoSuchHost
from monitor.web.components.banner import Banner
from monitor.web.components.chips import chips
from monitor.web.components.gpu_cards import bottleneck_value, fans_text, fans_unit, short_name
from monitor.web.components.gpu_charts import charts_of
from monitor.web.components.live_pieces import NOT_KNOWN, LivePieces
from monitor.web.components.open_alerts import (
    Level,
    by_gpu,
    in_a_few_words,
    level_of,
    open_alerts_part,
    periods_of,
    speaking_up,
)
from monitor.web.components.overview import notices_part, source_of
from monitor.web.components.process_table import ProcessTable, Sorting
from monitor.web.components.range_bar import RangeBar
from monitor.web.hosts.addresses import gpu_address, host_address, host_in_addresses
from monitor.web.hosts.missing import no_such_host
from monitor.web.pages.base_context import HtmxRequest, base_context
from monitor.web.pages.in_span import in_span
from monitor.web.snapshots import first_seen

PREFIX = "gpu:"
DEFAULT_RANGE = "15min"


class Fact(NamedTuple):
    title: str
    value: Value


class Beside:
    """A neighbor to go to."""

    def __init__(self, gpu: Gpu, host: str) -> None:
        self.gpu = gpu
        self._host = host

    @property
    def address(self) -> str:
        """Of its page."""
        return gpu_address(self._host, self.gpu.uuid)


def _beside(gpu: Gpu | None, host: str) -> Beside | None:
    return None if gpu is None else Beside(gpu, host)


class Instance:
    def __init__(self, instance: MigInstance, live: LivePieces) -> None:
        at = f"i{instance.index}"
        self.instance = instance
        self.profile = instance.profile or instance.name or "—"
        form = formats.memory_form(instance.memory_total_bytes)
        self.memory = live.reading(f"{at}-m", instance, "memory_used_bytes", form.text)
        self.memory_total = live.reading(f"{at}-t", instance, "memory_total_bytes", form.text)
        self.activity = live.reading(f"{at}-a", instance, "sm_activity_percent", formats.PERCENT.text)
        used, total = instance.memory_used_bytes, instance.memory_total_bytes
        self.memory_meter = live.meter(f"{at}-mm", None if used is None or not total else 100 * used / total)


class Link:
    def __init__(self, link: NvLink, peer: str, live: LivePieces) -> None:
        at = f"l{link.link}"
        self.link = link
        self.peer = peer
        self.received = _rate(live, f"{at}-r", link.rx_bytes_per_second)
        self.sent = _rate(live, f"{at}-s", link.tx_bytes_per_second)


def _peer(link: NvLink, gpus: Iterable[Gpu]) -> str:
    """What is at the other end of a link: GPU 3, NVSwitch; empty if it is not known."""
    if link.peer_type == "gpu":
        return next((f"GPU {gpu.index}" for gpu in gpus if gpu.pci_bus_id == link.peer_pci_bus_id), "another GPU")
    return "NVSwitch" if link.peer_type == "switch" else "processor" if link.peer_type == "npu" else ""


def _rate(live: LivePieces, name: str, rate: float | None) -> Value:
    return (
        live.dash(name, "not reported for this link")
        if rate is None
        else live.text(name, formats.bytes_per_second(rate))
    )


class GpuPage:
    """Everything on the page. If the GPU was removed, `gpu` is None."""

    def __init__(
        self,
        snapshot: Snapshot,
        uuid: str,
        sorting: Sorting | None = None,
        *,
        idle: IdleLimits = IDLE_BY_DEFAULT,
        host: str = "",
    ) -> None:
        """`host`: what addresses call the host, if it is not the one that answers. Its agent has judged which GPUs are in use."""
        live = LivePieces()
        self.host = host
        self.snapshot_query = urlencode({"gpu": uuid, **({"host": host} if host else {})})
        self.snapshot = snapshot
        self.uuid = uuid
        place = next((place for place, gpu in enumerate(snapshot.gpus) if gpu.uuid == uuid), None)
        self.gpu = None if place is None else snapshot.gpus[place]
        self.source = live.text("source", source_of(snapshot))
        self.notices = notices_part(snapshot, live)
        self.banner = Banner(snapshot, live)
        alerts = by_gpu(snapshot).get(uuid, [])
        self.open_alerts = open_alerts_part(snapshot, live, gpu_uuid=uuid)
        self.title, self.level = _title(snapshot, self.gpu, alerts)
        key: Hashable = None
        if self.gpu is not None:
            self._of(self.gpu, live, sorting or Sorting(), idle, alerts)
            self.previous = _beside(snapshot.gpus[place - 1] if place else None, host)
            self.next = _beside(next(iter(snapshot.gpus[(place or 0) + 1 :]), None), host)
            key = (
                self.gpu.index,
                self.gpu.name,
                *[(beside.gpu.index, beside.gpu.uuid) for beside in (self.previous, self.next) if beside],
            )
            facts = (
                self.gpu.fabric_state is None,
                *[(i.index, i.uuid, i.profile) for i in self.gpu.mig_instances],
                *[(each.link.link, each.link.is_active, each.link.version, each.peer) for each in self.links],
            )
            self.facts = live.part("facts", facts, "monitor/fragments/gpus/facts.html", {"page": self}, is_around=True)
            charts = tuple((c.title, c.form.unit, c.top, c.limit, c.note) for c in self.charts)
            self.chart_grid = live.part(
                "chart-grid", charts, "monitor/fragments/gpus/charts.html", {"page": self}, is_around=True
            )
        self.head = live.part("gpu-head", key, "monitor/fragments/gpus/head.html", {"page": self}, is_around=True)
        self.pieces = Pieces(live.parts, live.values, self.title, self.level)

    def _of(self, gpu: Gpu, live: LivePieces, sorting: Sorting, idle: IdleLimits, alerts: Sequence[Alert]) -> None:
        self.name = short_name(gpu.name)
        self.place = f"{self.snapshot.host}, GPU {gpu.index}" if self.host else f"GPU {gpu.index}"
        shown = chips(gpu, gpu.use if self.host else use_of(gpu, idle), alerts)
        self.state = live.state("gpu-state", data_state=gpu.state)
        self.chips = live.part("gpu-chips", shown, "monitor/fragments/gpus/chips.html", {"chips": shown})
        self.bottleneck = bottleneck_value(live, "gpu-bottleneck", gpu)
        self.charts = charts_of(gpu, live)
        self.periods = live.state("charts", data_alerts_open=periods_of(alerts))
        self.properties = _facts(gpu, live)
        self.instances = [Instance(instance, live) for instance in gpu.mig_instances]
        self.links = [Link(link, _peer(link, self.snapshot.gpus), live) for link in gpu.nvlinks or ()]
        self.links_up = _links_up(gpu.nvlinks or ())
        if self.links:
            self.links_received = _rate(live, "links-r", _sum([each.link.rx_bytes_per_second for each in self.links]))
            self.links_sent = _rate(live, "links-s", _sum([each.link.tx_bytes_per_second for each in self.links]))
        self.link_version = max((link.version or 0 for link in gpu.nvlinks or ()), default=0)
        self.processes = ProcessTable([(gpu.index, gpu)], live, sorting)


def _title(snapshot: Snapshot, gpu: Gpu | None, alerts: Sequence[Alert]) -> tuple[str, Level]:
    """The title of the browser tab, this GPU's problem first."""
    if gpu is None:
        return f"GPU removed · {snapshot.host}", "ok"
    if snapshot.stale:
        return f"Stale · GPU {gpu.index} · {snapshot.host}", "critical"
    loud = speaking_up(alerts)
    if loud and (level := level_of(loud)) != "ok":
        return f"{in_a_few_words(loud[0], snapshot)} · {snapshot.host}", level
    trouble = " lost" if gpu.state == "lost" else " hot" if is_hot(gpu) else ""
    return f"GPU {gpu.index}{trouble} · {snapshot.host}", "critical" if trouble else "ok"


def _sum(rates: Iterable[float | None]) -> float | None:
    """Of the known rates; None if there is none."""
    known = [rate for rate in rates if rate is not None]
    return sum(known) if known else None


def _links_up(links: Iterable[NvLink]) -> str:
    states = [link.is_active for link in links]
    return f"{sum(states)} of {len(states)} up"


def _facts(gpu: Gpu, live: LivePieces) -> list[Fact]:
    def fact(title: str, metric: str, form: object = formats.PLAIN) -> Fact:
        shown = form.text if isinstance(form, formats.Form) else form
        return Fact(title, live.reading(f"f-{metric.replace('_', '-')}", gpu, metric, shown))  # type: ignore[arg-type]

    def text(title: str, name: str, text: str | None, metric: str) -> Fact:
        reason = gpu.unavailable.get(metric, NOT_KNOWN)
        return Fact(title, live.dash(f"f-{name}", reason) if text is None else live.text(f"f-{name}", text))

    link = None if gpu.pcie_generation is None or gpu.pcie_width is None else (
        f"Gen {gpu.pcie_generation} ×{gpu.pcie_width}"
        + ("" if gpu.pcie_generation_max is None else f" of Gen {gpu.pcie_generation_max} ×{gpu.pcie_width_max}")
    )  # fmt: skip
    xids = None if gpu.xids is None else "none since start" if not gpu.xids else (
        ", ".join(f"{xid.code} ({xid.count}×)" for xid in gpu.xids)
    )  # fmt: skip
    fabric = gpu.fabric_state if gpu.fabric_status in (None, "success") else f"{gpu.fabric_state}: {gpu.fabric_status}"
    nvlinks = None if gpu.nvlinks is None else "none" if not gpu.nvlinks else _links_up(gpu.nvlinks)
    power = None if gpu.power_limit_watts is None else formats.WATTS.text(gpu.power_limit_watts) + (
        "" if gpu.power_max_limit_watts is None else f" of {formats.WATTS.text(gpu.power_max_limit_watts)}"
    )  # fmt: skip
    bar1 = None if gpu.bar1_total_bytes is None or gpu.bar1_used_bytes is None else (
        f"{formats.memory(gpu.bar1_used_bytes)} of {formats.memory(gpu.bar1_total_bytes)}"
    )  # fmt: skip
    fans = None if gpu.fans is None else "none" if not gpu.fans else (
        f"{fans_text(gpu.fans)}{formats.THIN}{fans_unit(gpu.fans)}"
    )  # fmt: skip
    rows = None if gpu.remapped_rows_uncorrected is None else (
        f"{(gpu.remapped_rows_corrected or 0) + gpu.remapped_rows_uncorrected}"
        + (" · one pending a reset" if gpu.remapped_rows_are_pending else "")
    )  # fmt: skip
    return [
        fact("Brand", "brand"),
        fact("PCI bus", "pci_bus_id"),
        fact("Serial number", "serial_number"),
        fact("Architecture", "architecture"),
        fact("Compute capability", "compute_capability"),
        fact("VBIOS", "vbios_version"),
        text("PCIe link", "pcie", link, "pcie_generation"),
        fact("PCIe replays", "pcie_replays"),
        text("NVLink", "nvlink", nvlinks, "nvlinks"),
        *([] if fabric is None else [text("NVLink fabric", "fabric", fabric, "fabric_state")]),
        fact("ECC, uncorrected", "ecc_uncorrected_volatile"),
        fact("ECC, corrected", "ecc_corrected_volatile"),
        text("Remapped rows", "rows", rows, "remapped_rows_uncorrected"),
        fact("Retired pages", "retired_pages"),
        text("Xid errors", "xids", xids, "xids"),
        fact("Recovery action", "recovery_action"),
        fact("MIG", "mig_mode", formats.ON_OFF),
        fact("Persistence", "persistence_mode", formats.ON_OFF),
        fact("Compute mode", "compute_mode"),
        fact("Slowdown temp.", "slowdown_temperature_celsius", formats.CELSIUS),
        fact("Shutdown temp.", "shutdown_temperature_celsius", formats.CELSIUS),
        fact("Memory temperature", "memory_temperature_celsius", formats.CELSIUS),
        text("Power limit", "limit", power, "power_limit_watts"),
        fact("Energy", "energy_joules", formats.energy),
        text("BAR1", "bar1", bar1, "bar1_total_bytes"),
        text("Fans", "fans", fans, "fans"),
        fact("Memory, reserved", "memory_reserved_bytes", formats.memory),
        fact("Memory, unattributed", "memory_unattributed_bytes", formats.memory),
        fact("Encoder", "encoder_utilization_percent", formats.PERCENT),
        fact("Decoder", "decoder_utilization_percent", formats.PERCENT),
        fact("SM activity", "sm_activity_percent", formats.PERCENT),
        fact("Tensor activity", "tensor_activity_percent", formats.PERCENT),
        fact("DRAM bandwidth used", "dram_activity_percent", formats.PERCENT),
        fact("Memory controller", "memory_utilization_percent", formats.PERCENT),
        fact("Memory clock", "memory_clock_mhz", formats.MHZ),
    ]


def live_page(uuid: str, idle_limits: Callable[[], IdleLimits], host: str = "") -> LivePage:
    """The live page of the GPU with this UUID. The limits may change and are read at each frame. `host` as in GpuPage."""

    def pieces(snapshot: Snapshot) -> Pieces:
        return GpuPage(snapshot, uuid, idle=idle_limits(), host=host).pieces

    return LivePage(PREFIX + uuid, pieces, gpu=uuid)


def _csv_query(page: GpuPage) -> str:
    """The query of /api/history for what the charts show, without the span."""
    metrics = ",".join(name for chart in page.charts for name in chart.series)
    return urlencode({**({"host": page.host} if page.host else {}), "gpu": page.uuid, "metric": metrics})


@opens_with_link
@vary_on_headers("HX-Request")
@never_cache
@require_safe
async def gpu(request: HtmxRequest, uuid: str, host: str | None = None) -> HttpResponse:
    """One GPU by its UUID; 404 with a way back where there is none. htmx gets what happened in the span of the address."""
    try:
        snapshot = await first_seen(request, host)
    except NoSuchHost as error:
        return await no_such_host(request, error)
    other = host_in_addresses(host)
    page = GpuPage(snapshot, uuid, Sorting.of(request.GET), idle=runtime().idle_limits(), host=other)
    if page.gpu is None:
        missing = {"page": page, "back": host_address(other), **await base_context(request, None)}
        return render(request, "monitor/no_such_gpu.html", missing, status=404)
    bar = RangeBar(request.GET.dict(), time.time(), DEFAULT_RANGE)
    shown = await sync_to_async(in_span)(
        bar.span,
        {uuid: f"GPU {page.gpu.index}"},
        has_details=visitor_of(request).sees_details,
        gpu=uuid,
        host_id=(snapshot.host_id or OWN) if other else OWN,
    )
    context: dict[str, Any] = {"bar": bar, "shown": shown}
    if request.htmx:
        return render(request, "monitor/fragments/history/in_span.html", context)
    context |= {"page": page, "csv": _csv_query(page), **await base_context(request, PREFIX + uuid, host=other)}
    return render(request, "monitor/gpu.html", context)
