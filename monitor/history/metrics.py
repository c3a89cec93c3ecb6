"""The metrics that are stored, each with the step in which it is kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Any, NamedTuple

from monitor.formats import LOAD, MEASURES, MIB, Form, ending_of
from monitor.telemetry.schema import Gpu


class Metric(NamedTuple):
    """One stored number of a GPU or of the host."""

    name: str
    """The schema's field, where there is one: utilization_percent."""
    title: str
    """Of its chart: Utilization."""
    scale: float
    """A value is stored as the integer round(value × scale)."""
    read: Callable[[Any], float | None]
    """Its value now, from a Gpu or a System; None if unknown."""
    is_sum: bool = False
    """An amount of each bucket, such as its energy: buckets are added. Of all others the mean is weighted by time."""
    is_field: bool = True
    """`read` gives the schema's field of this name as it is."""

    @property
    def form(self) -> Form:
        """As pages show its values."""
        return MEASURES[ending].form if (ending := ending_of(self.name)) else LOAD

    @property
    def unit(self) -> str:
        """Of its values themselves: %, °C, W, J, MHz, bytes, bytes/s; empty for a load."""
        return MEASURES[ending].unit if (ending := ending_of(self.name)) else ""


def _field(name: str, title: str, scale: float) -> Metric:
    return Metric(name, title, scale, attrgetter(name))


def reader_of(metrics: Sequence[Metric]) -> Callable[[Any], list[float | None]]:
    """What reads the values of all these metrics, at least two fields first: in a quarter of the time that one by one takes."""
    fields = attrgetter(*[metric.name for metric in metrics if metric.is_field])
    others = [metric.read for metric in metrics if not metric.is_field]
    return lambda source: [*fields(source), *[read(source) for read in others]]


def fastest_fan(gpu: Gpu) -> float | None:
    """The speed of the fastest fan in percent; None without fans."""
    if not gpu.fans:
        return None
    return max([fan.speed_percent for fan in gpu.fans if fan.speed_percent is not None], default=None)


_THROTTLE_REASONS: dict[str, tuple[str, frozenset[str]]] = {
    "thermal": ("Throttled by heat", frozenset({"sw_thermal_slowdown", "hw_thermal_slowdown"})),
    "power": ("Throttled by power", frozenset({"sw_power_cap", "hw_power_brake_slowdown"})),
    "hardware": ("Hardware slowdown", frozenset({"hw_slowdown"})),
}
"""The driver's clock event reasons by what people do about them; thermal and power as the alert rules group them."""
_NOT_THROTTLED = frozenset({"gpu_idle"}).union(*(reasons for _title, reasons in _THROTTLE_REASONS.values()))


def _throttled(name: str, title: str, holds: Callable[[tuple[str, ...]], bool]) -> Metric:
    def read(gpu: Gpu) -> float | None:
        reasons = gpu.clock_event_reasons
        if reasons is None:
            return None
        return 100.0 if reasons and holds(reasons) else 0.0

    return Metric(f"throttled_{name}_percent", title, 10, read, is_field=False)


def _throttle_metrics() -> tuple[Metric, ...]:
    """The share of time in which a reason held: 100 or 0 in one reading."""
    known = [
        _throttled(name, title, lambda found, wanted=wanted: not wanted.isdisjoint(found))  # type: ignore[misc]
        for name, (title, wanted) in _THROTTLE_REASONS.items()
    ]
    other = _throttled("other", "Lower clocks, other reasons", lambda found: not _NOT_THROTTLED.issuperset(found))
    return (*known, other)


MEMORY_METRICS = (
    _field("memory_used_bytes", "Memory", 1 / MIB),
    _field("memory_used_percent", "Memory used", 10),
)
"""Of a GPU and of the host: both structs have these fields."""

GPU_METRICS = (
    _field("utilization_percent", "Utilization", 10),
    _field("memory_utilization_percent", "Memory controller", 10),
    *MEMORY_METRICS,
    _field("temperature_celsius", "Temperature", 10),
    _field("memory_temperature_celsius", "Memory temperature", 10),
    _field("hotspot_temperature_celsius", "Hot spot", 10),
    _field("power_watts", "Power", 10),
    Metric("energy_joules", "Energy", 1, attrgetter("energy_joules"), is_sum=True),
    _field("sm_clock_mhz", "SM clock", 1),
    _field("memory_clock_mhz", "Memory clock", 1),
    Metric("fan_percent", "Fan", 10, fastest_fan, is_field=False),
    _field("pcie_rx_bytes_per_second", "PCIe received", 1e-7),
    _field("pcie_tx_bytes_per_second", "PCIe sent", 1e-7),
    _field("nvlink_rx_bytes_per_second", "NVLink received", 1e-8),
    _field("nvlink_tx_bytes_per_second", "NVLink sent", 1e-8),
    _field("encoder_utilization_percent", "Encoder", 10),
    _field("decoder_utilization_percent", "Decoder", 10),
    _field("jpeg_utilization_percent", "JPEG", 10),
    _field("ofa_utilization_percent", "Optical flow", 10),
    _field("sm_activity_percent", "SM activity", 2),
    _field("tensor_activity_percent", "Tensor activity", 2),
    _field("dram_activity_percent", "DRAM bandwidth used", 2),
    *_throttle_metrics(),
)
"""Of a GPU. The schema's `energy_joules` is a counter; stored is what was used since the reading before (energy.py)."""

HOST_METRICS = (
    _field("cpu_percent", "CPU", 10),
    *MEMORY_METRICS,
    _field("swap_used_bytes", "Swap", 1 / MIB),
    _field("load_1m", "Load of 1 min", 100),
)
"""Of the host."""

_BY_NAME = {metric.name: metric for metric in (*GPU_METRICS, *HOST_METRICS)}
SUMS = frozenset(name for name, metric in _BY_NAME.items() if metric.is_sum)
"""The names of the amounts."""


def metric_of(name: str) -> Metric:
    """The metric of this name. Raises KeyError if none is stored under it."""
    return _BY_NAME[name]
