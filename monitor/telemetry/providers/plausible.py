"""Bounds on what a driver can report: a figure beyond what hardware can do becomes unknown, with the value in the reason.

Drivers return garbage after sleep, on unsupported boards and in virtual machines: all ones for “no value” (4294967295 W,
255, 510 or 511 °C), differences that went below zero (17592186044134 MiB), one wild sample (808 % of an idle GPU).
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Collection, Container, MutableMapping
from typing import Any, NamedTuple, TypeVar

import msgspec

from monitor.telemetry.schema import EndedProcess, Fan, Gpu, GpuProcess, MigInstance, NvLink

T = TypeVar("T", bound=msgspec.Struct)


class Range(NamedTuple):
    """The lowest and the highest believable value of a metric."""

    least: float
    most: float
    unit: str


_COUNT = Range(0, 10**12, "")
"""Errors. A million each second for eleven days."""
_ALL_ONES = 0xFFFFFFFF
"""NVML's 32-bit NVML_VALUE_NOT_AVAILABLE; below some of the bounds."""
_POWER_OVER_LIMIT = 3
"""Peaks pass a board's limit for milliseconds, up to twice (measured on GeForce RTX 3090); a mean never does."""

_BY_NAME = {
    # A limit of 0 is none: every board would be beyond it.
    "slowdown_temperature_celsius": Range(1, 199, " °C"),
    "shutdown_temperature_celsius": Range(1, 199, " °C"),
    "power_limit_watts": Range(1, 3500, " W"),
    "power_default_limit_watts": Range(1, 3500, " W"),
    "power_max_limit_watts": Range(1, 3500, " W"),
    # NVML: a share of the speed at the tolerated noise, “may exceed 100 % in certain cases”.
    "speed_percent": Range(0, 200, " %"),
    # Server fans reach 30,000 rpm; no value is 65535.
    "speed_rpm": Range(0, 50_000, " rpm"),
    # GDDR7 at 36 Gb/s is reported as 18,000 MHz; core clocks are below 4,000 MHz.
    "memory_clock_mhz": Range(0, 50_000, " MHz"),
    "memory_clock_max_mhz": Range(0, 50_000, " MHz"),
    # PCIe 7 is the newest specified; its widest slot has 16 lanes, that of PCIe 5 had 32.
    "pcie_generation": Range(0, 8, ""),
    "pcie_generation_max": Range(0, 8, ""),
    "pcie_width": Range(0, 32, " lanes"),
    "pcie_width_max": Range(0, 32, " lanes"),
    "pcie_replays": _COUNT,
    "retired_pages": _COUNT,
    "remapped_rows_corrected": _COUNT,
    "remapped_rows_uncorrected": _COUNT,
}
_BY_UNIT = {
    # Slightly more comes from rounding and is brought back to 100; see Bounds.
    "_percent": Range(0, 101, " %"),
    # NVLink 6: 3.6 TB/s for a whole GPU; PCIe 7: 0.24 TB/s.
    "_bytes_per_second": Range(0, 1e13, " B/s"),
    # The largest GPU of 2026 has 432 GB (MI455X); a difference below zero is just under 2^64.
    "_bytes": Range(0, 1 << 44, " bytes"),
    # Unsigned in NVML and nvtop. Boards switch off at 125 °C at the latest.
    "_celsius": Range(0, 199, " °C"),
    # GB300 draws 1400 W, and the announced Rubin modules 2300 W.
    "_watts": Range(0, 3500, " W"),
    # 3500 W for nine years.
    "_joules": Range(0, 10**12, " J"),
    "_mhz": Range(0, 10_000, " MHz"),
}


def _range_of(metric: str) -> Range | None:
    if metric in _BY_NAME:
        return _BY_NAME[metric]
    if metric.startswith("ecc_") and not metric.endswith("_enabled"):
        return _COUNT
    return next((bounds for unit, bounds in _BY_UNIT.items() if metric.endswith(unit)), None)


RANGES: dict[str, Range] = {
    field.name: bounds
    for struct in (Gpu, GpuProcess, EndedProcess, MigInstance, NvLink, Fan)
    for field in msgspec.structs.fields(struct)
    if (bounds := _range_of(field.name)) is not None
    # The host's facts about a process, and times.
    and field.name not in ("cpu_percent", "resident_memory_bytes")
}
"""By the field's name in the schema, whichever struct it is in."""
Check = tuple[str, float, float]
"""A metric, and its lowest and highest value that is left alone."""
_CHECKS: dict[str, Check] = {
    metric: (metric, bounds.least, 100 if metric.endswith("_percent") else bounds.most)
    for metric, bounds in RANGES.items()
}

_WHOLES = (
    ("memory_used_bytes", "memory_total_bytes"),
    ("memory_free_bytes", "memory_total_bytes"),
    ("memory_reserved_bytes", "memory_total_bytes"),
    ("bar1_used_bytes", "bar1_total_bytes"),
)
_LIMITS = ("power_max_limit_watts", "power_default_limit_watts", "power_limit_watts")


def checks_without(metrics: Container[str]) -> tuple[Check, ...]:
    """All checks but those of `metrics`, which change rarely and are checked then."""
    return tuple(check for metric, check in _CHECKS.items() if metric not in metrics)


@functools.cache
def checks_of(metrics: tuple[str, ...]) -> tuple[Check, ...]:
    """The checks of `metrics`, which have just been read."""
    return tuple(_CHECKS[metric] for metric in metrics if metric in _CHECKS)


class Bounds:
    """Checks the figures of one source, and counts the percentages that it has brought back to 100.

    A percentage of up to 101 (a fan's of up to 200) becomes 100. Any other figure out of its range becomes None.
    """

    def __init__(self, source: str) -> None:
        """`source` reports the figures, in the words of a reason: "the driver", "nvidia-smi"."""
        self.source = source
        self.clamped_count = 0

    def check(
        self,
        values: MutableMapping[str, Any],
        memory_total_bytes: int | None = None,
        *,
        checks: Collection[Check] | None = None,
    ) -> dict[str, str]:
        """Set the figures that no hardware can have to None in `values`; return the reason of each.

        `values` maps fields of one struct (Gpu or one of its parts) to values in the schema's units; other
        keys are left alone. `memory_total_bytes` is the whole of `memory_used_bytes` where the struct has no total itself.
        `checks` are those to make, if not all.
        """
        reasons: dict[str, str] = {}
        take = values.get
        if checks is None:
            few = len(values) < len(_CHECKS) / 2
            checks = [_CHECKS[name] for name in values if name in _CHECKS] if few else _CHECKS.values()
        for metric, least, most in checks:
            value = take(metric)
            # NaN is in no range.
            if value is not None and (not least <= value <= most or value == _ALL_ONES):
                self._mend(metric, value, values, reasons)
        for metric, name in _WHOLES:
            value, whole = take(metric), take(name) or memory_total_bytes
            if value and whole and value > whole:
                reasons[metric] = f"{self.source} reports {value} bytes, more than the total of {whole} bytes"
                values[metric] = None
        draw = max(take("power_watts") or 0, take("power_average_watts") or 0)
        if draw > _POWER_OVER_LIMIT * (take("power_limit_watts") or 0):
            self._compare_with_limit(values, reasons)
        return reasons

    def checked(self, gpu: Gpu) -> Gpu:
        """The same of a whole GPU and everything that belongs to it, from a source that has finished structs: a recording."""
        parts: dict[str, Any] = {}
        for name in ("fans", "nvlinks", "mig_instances", "processes", "ended_processes"):
            given = getattr(gpu, name)
            found = tuple([self._checked(part, gpu.memory_total_bytes) for part in given or ()])
            if any(map(operator.is_not, found, given or ())):
                parts[name] = found
        mended = self._checked(gpu)
        return msgspec.structs.replace(mended, **parts) if parts else mended

    def _checked(self, struct: T, memory_total_bytes: int | None = None) -> T:
        given = {name: getattr(struct, name) for name in struct.__struct_fields__ if name in RANGES}
        values = dict(given)
        reasons = self.check(values, memory_total_bytes)
        if values == given:
            return struct
        changed: dict[str, Any] = {name: value for name, value in values.items() if value is not given[name]}
        if (known := getattr(struct, "unavailable", None)) is not None:
            changed["unavailable"] = {**known, **reasons}
        return msgspec.structs.replace(struct, **changed)

    def _mend(self, metric: str, value: float, values: MutableMapping[str, Any], reasons: dict[str, str]) -> None:
        """Bring an overshoot back to 100 %, or make the value unknown."""
        least, most, unit = RANGES[metric]
        if metric.endswith("_percent"):
            if 100 < value <= most:
                values[metric] = 100
                self.clamped_count += 1
                return
            most = 100
        values[metric] = None
        reasons[metric] = f"{self.source} reports {_text(value)}{unit}" + (
            ": all bits set, which stands for no value"
            if least <= value <= most
            else f", outside {_text(least)}–{_text(most)}{unit}"
        )

    def _compare_with_limit(self, values: MutableMapping[str, Any], reasons: dict[str, str]) -> None:
        """By the highest known limit: the one in force can be far below what the board draws at its start."""
        limit = max(values.get(name) or 0 for name in _LIMITS)
        for metric in ("power_watts", "power_average_watts"):
            value = values.get(metric)
            if limit and value and value > _POWER_OVER_LIMIT * limit:
                values[metric] = None
                reasons[metric] = f"{self.source} reports {_text(value)} W, but the board's limit is {_text(limit)} W"


def _text(value: float) -> str:
    """Whole numbers in full, others to two places; a number of absurd length is cut."""
    text = str(value) if isinstance(value, int) else f"{value:.2f}".rstrip("0").rstrip(".")
    return text if len(text) <= 24 else f"{text[:24]}…"
