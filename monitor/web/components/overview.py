"""The panels around the GPUs: totals, system metrics, notices, and the worst problem in a few words for title and icon."""

from __future__ import annotations

from collections.abc import Sequence

from monitor import formats
from monitor.live.pieces import Part
from monitor.telemetry.gpu_use import is_hot
from monitor.telemetry.providers.selection import LABELS
from monitor.telemetry.schema import GpuUse, Snapshot, System
from monitor.web.components.live_pieces import LivePieces
from monitor.web.components.open_alerts import Level, in_a_few_words, speaking_up

_SWITCHED_OFF = "System metrics are disabled"


def trouble(snapshot: Snapshot) -> tuple[str, Level]:
    """The host's worst problem in a few words, empty if there is none, and its level."""
    if snapshot.stale:
        return "Stale", "critical"
    alert = next(iter(speaking_up(snapshot.alerts)), None)
    if alert is not None and alert.severity == "critical":
        return in_a_few_words(alert, snapshot), "critical"
    if lost := [gpu.index for gpu in snapshot.gpus if gpu.state == "lost"]:
        return f"{_named(lost)} lost", "critical"
    if hot := [gpu.index for gpu in snapshot.gpus if is_hot(gpu)]:
        return f"{_named(hot)} hot", "critical"
    if alert is not None and alert.severity == "warning":
        return in_a_few_words(alert, snapshot), "warning"
    if not snapshot.gpus and snapshot.providers:
        return "No GPU", "warning"
    return "", "ok"


def _named(indexes: list[int]) -> str:
    """GPU 5, or 3 GPUs: the title of a tab is short."""
    return f"GPU {indexes[0]}" if len(indexes) == 1 else f"{len(indexes)} GPUs"


def title_of(snapshot: Snapshot) -> tuple[str, Level]:
    """The title of the browser tab, problem first, since tabs are narrow."""
    what, level = trouble(snapshot)
    return f"{what} · {snapshot.host}" if what else f"{snapshot.host} · gpumon", level


def source_of(snapshot: Snapshot) -> str:
    """The data source: NVML · driver 580.82.07 · CUDA 13.0."""
    words = [LABELS.get(snapshot.provider or "", "no data source")]
    if snapshot.driver_version and not snapshot.is_simulated:
        words.append(f"driver {snapshot.driver_version}")
    if snapshot.cuda_version and not snapshot.is_simulated:
        words.append(f"CUDA {snapshot.cuda_version}")
    return " · ".join(words)


class Totals:
    """Totals of all GPUs, and the host's CPU."""

    def __init__(self, snapshot: Snapshot, live: LivePieces, uses: Sequence[GpuUse]) -> None:
        totals, system = snapshot.totals, snapshot.system
        self.memory_form = formats.memory_form(totals.memory_total_bytes)
        self.power_form = formats.power_form(totals.power_limit_watts or totals.power_watts)
        self.gpu_count = live.text("t-gpus", str(totals.gpu_count))
        in_words = _uses_in_words(snapshot, uses)
        self.uses = live.text("t-uses", in_words, ("title", in_words))
        self.utilization = live.reading("t-u", totals, "utilization_percent", formats.PERCENT)
        self.utilization_meter = live.meter("t-um", totals.utilization_percent)
        self.memory = live.reading("t-m", totals, "memory_used_bytes", self.memory_form)
        self.memory_total = live.reading("t-mt", totals, "memory_total_bytes", self.memory_form)
        self.memory_meter = live.meter("t-mm", _percent(totals.memory_used_bytes, totals.memory_total_bytes))
        self.power = live.reading("t-p", totals, "power_watts", self.power_form)
        self.power_limit = live.reading("t-pl", totals, "power_limit_watts", self.power_form)
        self.power_meter = live.meter("t-pm", _percent(totals.power_watts, totals.power_limit_watts))
        self.hottest = live.reading("t-h", totals, "hottest_temperature_celsius", formats.CELSIUS)
        self.hottest_gpu = live.text("t-hg", _hottest_in_words(snapshot))
        if system is None:
            self.cpu = live.dash("t-c", _SWITCHED_OFF)
            self.cpu_more = live.text("t-cl", _SWITCHED_OFF)
        else:
            self.cpu = live.reading("t-c", system, "cpu_percent", formats.PERCENT)
            self.cpu_more = live.text("t-cl", _host_in_words(system))


def _percent(value: float | None, of: float | None) -> float | None:
    return None if value is None or not of else 100.0 * value / of


def _uses_in_words(snapshot: Snapshot, uses: Sequence[GpuUse]) -> str:
    """5 busy · 1 idle-held · 1 free · 1 lost."""
    lost = sum(gpu.state == "lost" for gpu in snapshot.gpus)
    counts = {
        "busy": uses.count("busy"),
        "idle-held": uses.count("held"),
        "free": uses.count("free"),
        "lost": lost,
        "unknown": uses.count("unknown") - lost,
    }
    return " · ".join(f"{count} {word}" for word, count in counts.items() if count)


def _hottest_in_words(snapshot: Snapshot) -> str:
    hottest = next((gpu for gpu in snapshot.gpus if gpu.uuid == snapshot.totals.hottest_gpu_uuid), None)
    if hottest is None:
        return "not reported"
    limit = hottest.slowdown_temperature_celsius
    of_limit = "" if limit is None else f" · limit {formats.CELSIUS.text(limit)}"
    return f"GPU {hottest.index}{of_limit}"


def _host_in_words(system: System) -> str:
    words = []
    if system.load_1m is not None:
        words.append(f"load {system.load_1m:.2f}")
    if system.memory_used_percent is not None:
        words.append(f"memory {formats.PERCENT.text(system.memory_used_percent)}")
    return " · ".join(words)


class SystemPanel:
    """The system metrics."""

    def __init__(self, system: System, live: LivePieces) -> None:
        self.system = system
        self.uptime = live.reading("s-up", system, "uptime_seconds", formats.duration)
        self.os_name = live.reading("s-os", system, "os_name", formats.PLAIN)
        self.cpu_count = live.reading("s-n", system, "cpu_count", formats.COUNT)
        self.cpu = live.reading("s-c", system, "cpu_percent", formats.PERCENT.text)
        self.frequency = live.reading("s-f", system, "cpu_frequency_mhz", formats.MHZ.text)
        heats = tuple([round(core / 10) for core in system.cpu_core_percents or ()])
        self.cores = live.part("s-cores", heats, "monitor/fragments/cores.html", {"heats": heats})
        form = formats.memory_form(system.memory_total_bytes)
        self.memory = live.reading("s-m", system, "memory_used_bytes", form)
        self.memory_total = live.reading("s-mt", system, "memory_total_bytes", form.text)
        self.memory_meter = live.meter("s-mm", system.memory_used_percent)
        self.has_swap = bool(system.swap_total_bytes)
        if self.has_swap:
            swap_form = formats.memory_form(system.swap_total_bytes)
            self.swap = live.reading("s-s", system, "swap_used_bytes", swap_form)
            self.swap_total = live.reading("s-st", system, "swap_total_bytes", swap_form.text)
            self.swap_meter = live.meter("s-sm", _percent(system.swap_used_bytes, system.swap_total_bytes))
        self.load_1m = live.reading("s-l1", system, "load_1m", formats.LOAD)
        self.load_5m = live.reading("s-l5", system, "load_5m", formats.LOAD)
        self.load_15m = live.reading("s-l15", system, "load_15m", formats.LOAD)
        self.process_count = live.reading("s-p", system, "process_count", formats.COUNT)
        self.limits = _container_in_words(system)
        self.key = (self.has_swap, self.limits)


def _container_in_words(system: System) -> str:
    container = system.container
    if container is None:
        return ""
    cores = "no CPU limit" if container.cpu_limit_cores is None else f"{container.cpu_limit_cores:g} cores"
    limit = container.memory_limit_bytes
    return f"{cores} · {'no memory limit' if limit is None else formats.memory(limit)}"


def system_part(snapshot: Snapshot, live: LivePieces) -> Part:
    panel = SystemPanel(snapshot.system, live) if snapshot.system else None
    key = panel.key if panel else None
    return live.part(
        "system-panel", key, "monitor/fragments/system.html", {"panel": panel}, is_around=True, outline_key=()
    )


def notices_part(snapshot: Snapshot, live: LivePieces) -> Part:
    """Notices about the readings: simulated, stale, limited."""
    key = (snapshot.is_simulated, snapshot.provider, snapshot.stale_reason, snapshot.notices)
    return live.part("notices", key, "monitor/fragments/notices.html", {"snapshot": snapshot})
