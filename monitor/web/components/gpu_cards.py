"""GPUs on the dashboard, as cards or tiles: which reading goes where, in which format."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from monitor import formats
from monitor.live.pieces import Value
from monitor.telemetry.gpu_use import Use, is_hot, is_silent
from monitor.telemetry.schema import Alert, Fan, Gpu
from monitor.web.components.live_pieces import NOT_KNOWN, LivePieces
from monitor.web.components.open_alerts import level_of

_THROTTLE_CHIPS = {
    "sw_power_cap": ("Power cap", "warning"),
    "hw_slowdown": ("Hardware slowdown", "warning"),
    "sync_boost": ("Sync boost", ""),
    "sw_thermal_slowdown": ("Thermal", "warning"),
    "hw_thermal_slowdown": ("Thermal", "critical"),
    "hw_power_brake_slowdown": ("Power brake", "critical"),
    "board_limit": ("Board limit", ""),
    "reliability": ("Reliability limit", ""),
}
"""Clock-event reasons shown as chips. Idle and clocks set by an administrator are left out."""


class Chip(NamedTuple):
    """A label beside the GPU's name. `why` is its tooltip."""

    word: str
    level: str
    why: str
    since: datetime | None = None


def alert_chips(alerts: Sequence[Alert]) -> tuple[Chip, ...]:
    """The rule of the worst alert, and in a second chip, so that a long name cannot hide it, the number of others."""
    if not alerts:
        return ()
    worst, *others = alerts
    by = f" by {worst.acknowledged_by}" if worst.acknowledged_by else ""
    quiet = "" if worst.acknowledged_at is None else f" · acknowledged{by}"
    word = f"{worst.rule}, clearing" if worst.is_clearing else worst.rule
    rule = Chip(word, worst.severity, f"{worst.rule}: {worst.summary}{quiet}")
    if not others:
        return (rule,)
    return rule, Chip(f"+{len(others)}", others[0].severity, f"Also {', '.join(alert.rule for alert in others)}")


def chips(gpu: Gpu, use: Use, alerts: Sequence[Alert] = (), *, is_narrow: bool = False) -> tuple[Chip, ...]:
    """A GPU's chips, open alerts first. If `is_narrow`, alerts replace the performance state."""
    found = [*alert_chips(alerts)]
    if gpu.state == "lost":
        since = None if gpu.since is None else datetime.fromtimestamp(gpu.since, UTC)
        found.append(
            Chip(
                "lost since" if since else "lost",
                "critical",
                "Lost: it has fallen off the bus or stopped responding. The values shown are the last known ones.",
                since,
            )
        )
    elif gpu.state == "asleep":
        found.append(Chip("asleep", "info", "Suspended; not queried, to let it sleep"))
    found += _no_data_chips(gpu)
    for reason in gpu.clock_event_reasons or ():
        if reason in _THROTTLE_CHIPS or reason.startswith("0x"):
            word, level = _THROTTLE_CHIPS.get(reason, (reason, ""))
            found.append(Chip(word, level, f"Throttled; clock-event reason: {reason}"))
    if use == "held":
        found.append(Chip("Idle-held", "info", "Memory allocated, GPU idle"))
    if gpu.mig_mode:
        found.append(Chip("MIG", "", f"{len(gpu.mig_instances)} MIG instances"))
    if gpu.performance_state and not (is_narrow and alerts):
        found.append(Chip(gpu.performance_state, "", "Performance state"))
    return tuple(found)


def _no_data_chips(gpu: Gpu) -> tuple[Chip, ...]:
    why = gpu.unavailable.get("utilization_percent", NOT_KNOWN)
    return (Chip("no data", "warning", f"The driver gives no readings of this GPU: {why}"),) if is_silent(gpu) else ()


def short_name(name: str) -> str:
    """Without the vendor's name, which all GPUs share."""
    return name.removeprefix("NVIDIA ")


def _level(gpu: Gpu, alerts: Sequence[Alert]) -> str:
    if gpu.state == "lost" or is_hot(gpu):
        return "critical"
    return level_of(alerts).removeprefix("ok")


def fans_text(fans: tuple[Fan, ...]) -> str:
    """The speeds of all fans, in percent of full speed or, if unknown, in RPM."""
    speeds = [fan.speed_rpm if fan.speed_percent is None else fan.speed_percent for fan in fans]
    return " · ".join("—" if speed is None else f"{speed:.0f}" for speed in speeds)


def fans_unit(fans: tuple[Fan, ...] | None) -> str:
    return "RPM" if fans and all(fan.speed_percent is None for fan in fans) else "%"


def fans_value(live: LivePieces, name: str, gpu: Gpu) -> Value:
    """The fans of a GPU, or a dash with the reason."""
    if gpu.fans is not None and not gpu.fans:
        return live.dash(name, "No fan: cooled by the chassis")
    return live.reading(name, gpu, "fans", fans_text)


def _share(value: float | None, of: float | None) -> float | None:
    return None if value is None or not of else min(100.0, 100.0 * value / of)


class Card:
    def __init__(self, place: int, gpu: Gpu, live: LivePieces, use: Use, alerts: Sequence[Alert] = ()) -> None:
        at = f"g{place}"
        self.gpu = gpu
        self.name = short_name(gpu.name)
        self.memory_form = formats.memory_form(gpu.memory_total_bytes)
        self.power_form = formats.power_form(gpu.power_limit_watts)
        self.memory_total = "—" if gpu.memory_total_bytes is None else self.memory_form.number(gpu.memory_total_bytes)
        self.power_limit = "—" if gpu.power_limit_watts is None else self.power_form.number(gpu.power_limit_watts)
        self.fans_unit = fans_unit(gpu.fans)
        self.state = live.state(at, data_state=gpu.state, data_level=_level(gpu, alerts))
        shown = chips(gpu, use, alerts, is_narrow=True)
        self.chips = live.part(f"{at}-chips", shown, "monitor/fragments/gpus/chips.html", {"chips": shown})
        self.utilization = live.reading(f"{at}-u", gpu, "utilization_percent", formats.PERCENT)
        self.memory = live.reading(f"{at}-m", gpu, "memory_used_bytes", self.memory_form)
        self.temperature = live.reading(f"{at}-t", gpu, "temperature_celsius", formats.CELSIUS)
        self.temperature_meter = live.meter(f"{at}-tm", gpu.temperature_celsius)
        self.power = live.reading(f"{at}-p", gpu, "power_watts", self.power_form)
        self.power_meter = live.meter(f"{at}-pm", _share(gpu.power_watts, gpu.power_limit_watts))
        self.clock = live.reading(f"{at}-c", gpu, "sm_clock_mhz", formats.MHZ)
        self.clock_meter = live.meter(f"{at}-cm", _share(gpu.sm_clock_mhz, gpu.sm_clock_max_mhz))
        self.fans = fans_value(live, f"{at}-f", gpu)
        self.encoder = live.reading(f"{at}-e", gpu, "encoder_utilization_percent", formats.PERCENT)
        self.decoder = live.reading(f"{at}-d", gpu, "decoder_utilization_percent", formats.PERCENT)
        self.pcie_rx = live.reading(f"{at}-r", gpu, "pcie_rx_bytes_per_second", formats.GIGABYTES_PER_SECOND)
        self.pcie_tx = live.reading(f"{at}-s", gpu, "pcie_tx_bytes_per_second", formats.GIGABYTES_PER_SECOND)
        self.process_count = live.reading(f"{at}-n", gpu, "processes", _count_of_processes)

    @staticmethod
    def key(gpu: Gpu) -> Any:
        """Everything that the card's structure depends on."""
        return (
            gpu.index, gpu.uuid, gpu.name, gpu.pci_bus_id, gpu.memory_is_unified, gpu.memory_total_bytes,
            gpu.power_limit_watts, gpu.slowdown_temperature_celsius, gpu.shutdown_temperature_celsius, gpu.sm_clock_max_mhz,
            fans_unit(gpu.fans),
        )  # fmt: skip


class Tile:
    """A GPU's tile: utilization as a number and a color depth, memory, temperature."""

    def __init__(self, place: int, gpu: Gpu, live: LivePieces, alerts: Sequence[Alert] = ()) -> None:
        at = f"g{place}"
        load = gpu.utilization_percent
        self.gpu = gpu
        self.name = short_name(gpu.name)
        memory_form = formats.memory_form(gpu.memory_total_bytes)
        heat = "" if load is None else f"{round(load / 10)}"
        self.state = live.state(at, data_state=gpu.state, data_level=_level(gpu, alerts), data_heat=heat)
        shown = (*alert_chips(alerts), *_no_data_chips(gpu))
        self.chips = live.part(f"{at}-chips", shown, "monitor/fragments/gpus/chips.html", {"chips": shown})
        self.utilization = live.reading(f"{at}-u", gpu, "utilization_percent", formats.PERCENT)
        self.memory_meter = live.meter(f"{at}-mm", gpu.memory_used_percent)
        self.memory = live.reading(f"{at}-m", gpu, "memory_used_bytes", memory_form.text)
        self.temperature = live.reading(f"{at}-t", gpu, "temperature_celsius", formats.CELSIUS.text)

    @staticmethod
    def key(gpu: Gpu) -> Any:
        """Everything that the tile's structure depends on."""
        return (gpu.index, gpu.uuid, gpu.name, gpu.memory_total_bytes)


def _count_of_processes(processes: tuple[object, ...]) -> str:
    return f"{len(processes)} process{'' if len(processes) == 1 else 'es'}"
