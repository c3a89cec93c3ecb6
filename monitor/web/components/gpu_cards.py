"""GPUs on the dashboard as cards: which reading goes where, in which format."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

from monitor import formats
from monitor.live.pieces import Value
from monitor.telemetry.gpu_use import is_hot
from monitor.telemetry.schema import Alert, Fan, Gpu, GpuUse
from monitor.web.components.chips import MOST_ON_A_CARD, chips
from monitor.web.components.live_pieces import NOT_KNOWN, LivePieces
from monitor.web.components.open_alerts import level_of
from monitor.web.hosts.addresses import gpu_address


@functools.lru_cache(maxsize=256)
def short_name(name: str) -> str:
    """Without the vendor's name, which all GPUs share."""
    return name.removeprefix("NVIDIA ")


def outline_of(gpu: Gpu, alerts: Sequence[Alert]) -> str:
    """The level in which a GPU is outlined; empty if nothing is wrong."""
    if gpu.state == "lost" or is_hot(gpu):
        return "critical"
    return level_of(alerts).removeprefix("ok")


def bottleneck_value(live: LivePieces, name: str, gpu: Gpu) -> Value:
    """What slows a GPU down, or a dash with the reason why that is unknown."""
    if gpu.bottleneck is None:
        return live.dash(name, gpu.unavailable.get("bottleneck", NOT_KNOWN))
    return live.text(name, gpu.bottleneck.text, ("data-level", gpu.bottleneck.level))


def fans_text(fans: tuple[Fan, ...]) -> str:
    """The speeds of all fans, in percent of full speed or, if unknown, in RPM."""
    speeds = [fan.speed_rpm if fan.speed_percent is None else fan.speed_percent for fan in fans]
    return " · ".join("—" if speed is None else f"{speed:.0f}" for speed in speeds)


def fans_unit(fans: tuple[Fan, ...] | None) -> str:
    return "RPM" if fans and all(fan.speed_percent is None for fan in fans) else "%"


def _speed(fan: Fan) -> tuple[float, float]:
    """Percent first, then RPM: an unknown speed is below 0 %."""
    known = [-1.0 if speed is None else speed for speed in (fan.speed_percent, fan.speed_rpm)]
    return known[0], known[1]


def _fastest_fan(live: LivePieces, name: str, gpu: Gpu) -> Value:
    """The fastest fan, and all of them in the tooltip; or a dash with the reason."""
    if gpu.fans is None:
        return live.reading(name, gpu, "fans", fans_text)
    if not gpu.fans:
        return live.dash(name, "No fan: cooled by the chassis")
    fastest = max(gpu.fans, key=_speed)
    if len(gpu.fans) == 1:
        return live.text(name, fans_text((fastest,)))
    return live.text(
        name, fans_text((fastest,)), ("title", f"{fans_text(gpu.fans)}{formats.THIN}{fans_unit(gpu.fans)}")
    )


def _share(value: float | None, of: float | None) -> float | None:
    return None if value is None or not of else min(100.0, 100.0 * value / of)


class Card:
    def __init__(
        self, place: int, gpu: Gpu, live: LivePieces, use: GpuUse, alerts: Sequence[Alert] = (), *, host: str = ""
    ) -> None:
        """`host`: what addresses call the host, if it is not the one that answers."""
        at = f"g{place}"
        self._host = host
        self.gpu = gpu
        self.name = short_name(gpu.name)
        self.memory_form = formats.memory_form(gpu.memory_total_bytes)
        self.power_form = formats.power_form(gpu.power_limit_watts)
        self.memory_total = "—" if gpu.memory_total_bytes is None else self.memory_form.number(gpu.memory_total_bytes)
        self.power_limit = "—" if gpu.power_limit_watts is None else self.power_form.number(gpu.power_limit_watts)
        self.fans_unit = fans_unit(gpu.fans)
        self.state = live.state(at, data_state=gpu.state, data_level=outline_of(gpu, alerts))
        shown = chips(gpu, use, alerts)[:MOST_ON_A_CARD]
        self.chips = live.part(f"{at}-chips", shown, "monitor/fragments/gpus/chips.html", {"chips": shown})
        self.bottleneck = bottleneck_value(live, f"{at}-w", gpu)
        self.utilization = live.reading(f"{at}-u", gpu, "utilization_percent", formats.PERCENT)
        self.memory = live.reading(f"{at}-m", gpu, "memory_used_bytes", self.memory_form)
        self.temperature = live.reading(f"{at}-t", gpu, "temperature_celsius", formats.CELSIUS)
        self.temperature_meter = live.meter(f"{at}-tm", gpu.temperature_celsius)
        self.power = live.reading(f"{at}-p", gpu, "power_watts", self.power_form)
        self.power_meter = live.meter(f"{at}-pm", _share(gpu.power_watts, gpu.power_limit_watts))
        self.clock = live.reading(f"{at}-c", gpu, "sm_clock_mhz", formats.MHZ)
        self.clock_meter = live.meter(f"{at}-cm", _share(gpu.sm_clock_mhz, gpu.sm_clock_max_mhz))
        self.fans = _fastest_fan(live, f"{at}-f", gpu)
        self.encoder = live.reading(f"{at}-e", gpu, "encoder_utilization_percent", formats.PERCENT.text)
        self.decoder = live.reading(f"{at}-d", gpu, "decoder_utilization_percent", formats.PERCENT.text)
        self.pcie_rx = live.reading(f"{at}-r", gpu, "pcie_rx_bytes_per_second", formats.GIGABYTES_PER_SECOND)
        self.pcie_tx = live.reading(f"{at}-s", gpu, "pcie_tx_bytes_per_second", formats.bytes_per_second)
        self.processes_link = f"?layout=cards&filter=gpu:{gpu.index}#processes"
        self.process_count = live.reading(f"{at}-n", gpu, "processes", _count_of_processes)

    @property
    def address(self) -> str:
        """Of the GPU's page."""
        return gpu_address(self._host, self.gpu.uuid)

    @staticmethod
    def key(gpu: Gpu) -> Any:
        """Everything that the card's structure depends on."""
        return (
            gpu.index, gpu.uuid, gpu.name, gpu.pci_bus_id, gpu.memory_is_unified, gpu.memory_total_bytes,
            gpu.power_limit_watts, gpu.slowdown_temperature_celsius, gpu.shutdown_temperature_celsius, gpu.sm_clock_max_mhz,
            fans_unit(gpu.fans),
        )  # fmt: skip


def _count_of_processes(processes: tuple[object, ...]) -> str:
    return f"{len(processes)} process{'' if len(processes) == 1 else 'es'}"
