"""The heat map of a usage report: how many GPUs were busy, idle-held or free, by weekday and hour of the viewer's zone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import urlencode

from monitor.usage.heat import Heat, HeatCell

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
KINDS = {"busy": "Busy", "held": "Idle-held", "free": "Free"}
_WORDS = {"busy": "busy", "held": "idle-held", "free": "free"}


class HeatLink(NamedTuple):
    label: str
    query: str
    is_current: bool


class HeatField(NamedTuple):
    """One hour of a weekday."""

    text: str
    level: str
    """0 to 10; empty without readings."""
    title: str


class HeatMap:
    def __init__(self, heat: Heat, query: Mapping[str, str]) -> None:
        """`query`: of the address, with `heat` for what is shown."""
        self.kind = query.get("heat", "") if query.get("heat") in KINDS else "busy"
        self.title = f"{KINDS[self.kind]} GPUs by hour"
        self.links = [
            HeatLink(label, urlencode({**query, "heat": kind}), kind == self.kind) for kind, label in KINDS.items()
        ]
        self.hours = tuple(range(24))
        self.most = f"{heat.most:.0f}" if heat.most else "0"
        self.has_readings = heat.most > 0
        self.days = [
            (day, [self._field(day, hour, cell, heat.most) for hour, cell in enumerate(cells)])
            for day, cells in zip(DAYS, heat.days, strict=True)
        ]

    def _field(self, day: str, hour: int, cell: HeatCell, most: float) -> HeatField:
        when = f"{day} {hour}–{hour + 1} h"
        count: float | None = getattr(cell, self.kind)
        if count is None or not most:
            return HeatField("", "", f"{when}: no readings")
        level = round(10 * min(1.0, count / most))
        title = f"{when}: {count:.1f} of {cell.gpus or 0:.0f} GPUs {_WORDS[self.kind]}"
        return HeatField(f"{count:.1f}", str(level), title)
