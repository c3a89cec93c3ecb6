"""The charts of a GPU's page: their metrics, axes, limits and live values."""

from __future__ import annotations

from typing import NamedTuple

from monitor import formats
from monitor.formats import Form
from monitor.live.pieces import Value
from monitor.telemetry.schema import Gpu
from monitor.web.components.live_pieces import LivePieces


class Chart(NamedTuple):
    title: str
    series: tuple[str, ...]
    """Metrics of the schema, one line each."""
    colour: str
    form: Form
    """Of the values on the chart."""
    top: float | None
    """The end of the axis; None follows the values."""
    limit: float | None
    note: str
    value: Value
    lines: tuple[str, ...] = ()
    """The names of the lines where there are several."""


def charts_of(gpu: Gpu, live: LivePieces) -> list[Chart]:
    """In the order of the page."""
    memory, power = formats.memory_form(gpu.memory_total_bytes), formats.power_form(gpu.power_limit_watts)
    of_memory = "" if gpu.memory_total_bytes is None else f" / {memory.text(gpu.memory_total_bytes)}"
    slowdown, limit, clock_max = gpu.slowdown_temperature_celsius, gpu.power_limit_watts, gpu.sm_clock_max_mhz
    used = live.reading("c-m", gpu, "memory_used_bytes", lambda value: memory.number(value) + of_memory)
    return [
        Chart("Utilization", ("utilization_percent",), "utilization", formats.PERCENT, 100, None, "0–100\u2009%",
              live.reading("c-u", gpu, "utilization_percent", formats.PERCENT.text)),
        Chart("Memory", ("memory_used_percent",), "memory", formats.PERCENT, 100, None, "0–100\u2009%", used),
        Chart("Temperature", ("temperature_celsius",), "temperature", formats.CELSIUS,
              max(100.0, gpu.shutdown_temperature_celsius or 0), slowdown,
              "" if slowdown is None else f"slowdown at {formats.CELSIUS.text(slowdown)}",
              live.reading("c-t", gpu, "temperature_celsius", formats.CELSIUS.text)),
        Chart("Power", ("power_watts",), "power", power, None if limit is None else 1.08 * limit / power.scale,
              None if limit is None else limit / power.scale, "" if limit is None else f"limit {power.text(limit)}",
              live.reading("c-p", gpu, "power_watts", power.text)),
        Chart("SM clock", ("sm_clock_mhz",), "utilization", formats.MHZ, clock_max, None,
              "" if clock_max is None else f"max {formats.MHZ.text(clock_max)}",
              live.reading("c-c", gpu, "sm_clock_mhz", formats.MHZ.text)),
        Chart("PCIe", ("pcie_rx_bytes_per_second", "pcie_tx_bytes_per_second"), "memory", formats.GIGABYTES_PER_SECOND, None, None,
              "", _pcie(gpu, live), ("received", "sent")),
    ]  # fmt: skip


def _pcie(gpu: Gpu, live: LivePieces) -> Value:
    """Received and sent: ↓ 11.8 ↑ 4.9 GB/s."""
    received, sent = gpu.pcie_rx_bytes_per_second, gpu.pcie_tx_bytes_per_second
    if received is None or sent is None:
        return live.reading("c-r", gpu, "pcie_tx_bytes_per_second" if sent is None else "pcie_rx_bytes_per_second", str)
    number = formats.GIGABYTES_PER_SECOND.number
    return live.text("c-r", f"↓ {number(received)} ↑ {formats.bytes_per_second(sent)}")
