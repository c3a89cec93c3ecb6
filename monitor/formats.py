"""Number formats of the design, each with its unit.

A unit that depends on the size is chosen once for each place, by its total or limit, so that it does not change with the
value: `memory_form`, `power_form`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

THIN = "\u2009"
"""Thin space, before every unit."""
TIB = 1 << 40
GIB = 1 << 30
MIB = 1 << 20


class Form(NamedTuple):
    """A number format and its unit."""

    number: Callable[[Any], str]
    unit: str
    scale: float = 1.0
    """One of the unit in the unit of the values: 1e9 for GB/s."""
    digits: int = 0
    """After the point."""

    def text(self, value: Any) -> str:
        return f"{self.number(value)}{THIN}{self.unit}" if self.unit else self.number(value)


def _form(unit: str, scale: float = 1.0, digits: int = 0) -> Form:
    precision = f".{digits}f"
    return Form(lambda value: format(value / scale, precision), unit, scale, digits)


PERCENT = _form("%")
WATTS = _form("W")
KILOWATTS = _form("kW", 1000, 2)
CELSIUS = _form("°C")
MHZ = _form("MHz")
TEBIBYTES = _form("TiB", TIB, 2)
GIBIBYTES = _form("GiB", GIB, 1)
MEBIBYTES = _form("MiB", MIB)
GIGABYTES_PER_SECOND = _form("GB/s", 1e9, 1)
JOULES = _form("J")
KILOWATT_HOURS = _form("kWh", 3.6e6, 3)
SECONDS = _form("s")
LOAD = _form("", digits=2)
COUNT = _form("")
PLAIN = Form(str, "")
ON_OFF = Form(lambda value: "on" if value else "off", "")


class Measure(NamedTuple):
    """What the end of a metric's name says about its values."""

    unit: str
    """Of the values themselves: bytes/s."""
    form: Form
    """As pages show them: GB/s."""


MEASURES = {
    "_percent": Measure("%", PERCENT),
    "_celsius": Measure("°C", CELSIUS),
    "_watts": Measure("W", WATTS),
    "_mhz": Measure("MHz", MHZ),
    "_joules": Measure("J", KILOWATT_HOURS),
    "_bytes_per_second": Measure("bytes/s", GIGABYTES_PER_SECOND),
    "_bytes": Measure("bytes", GIBIBYTES),
    "_seconds": Measure("s", SECONDS),
}
"""By the end of the name, the longer of two that fit first."""


def ending_of(metric: str) -> str:
    """The key of MEASURES at the end of a metric's name; empty for a count or a load."""
    return next((ending for ending in MEASURES if metric.endswith(ending)), "")


def memory_form(total: float | None) -> Form:
    """GiB with one decimal; MiB if the total is below 1 GiB, TiB with two decimals from 1 TiB."""
    if total is None or total <= 0:
        return GIBIBYTES
    return MEBIBYTES if total < GIB else GIBIBYTES if total < TIB else TEBIBYTES


def power_form(limit: float | None) -> Form:
    """Whole watts; kW with two decimals if the limit is 1000 W or more."""
    return KILOWATTS if limit is not None and limit >= 1000 else WATTS


def memory(value: float) -> str:
    """An amount without a total: GiB with one decimal, MiB below 1 GiB, TiB from 1 TiB."""
    return memory_form(value).text(value)


def bytes_per_second(value: float) -> str:
    """GB/s with one decimal."""
    return GIGABYTES_PER_SECOND.text(value)


def energy(joules: float) -> str:
    """Wh, kWh or MWh, with three digits."""
    hours = joules / 3600
    for unit, scale in (("MWh", 1e6), ("kWh", 1e3)):
        if hours >= scale:
            return f"{hours / scale:.3g}{THIN}{unit}" if hours < 1000 * scale else f"{hours / scale:.0f}{THIN}{unit}"
    return f"{hours:.0f}{THIN}Wh"


def sentence(text: object) -> str:
    """A message, such as an error's, with a capital letter and a full stop."""
    words = str(text)
    return f"{words[:1].upper()}{words[1:]}."


def duration(value: float) -> str:
    """The two largest units: 41 d 6 h, 1 min 12 s. A negative duration (the clock was set back) is —."""
    if value < 0:
        return "—"
    seconds = int(value)
    parts = [
        (seconds // 86400, "d"),
        (seconds % 86400 // 3600, "h"),
        (seconds % 3600 // 60, "min"),
        (seconds % 60, "s"),
    ]
    while len(parts) > 1 and parts[0][0] == 0:
        parts.pop(0)
    return " ".join(f"{number}{THIN}{unit}" for number, unit in parts[:2])


def rough_duration(value: float) -> str:
    """The largest unit alone: 41 d, 12 min. A negative duration (the clock was set back) is —."""
    return duration(value).split(" ")[0]
