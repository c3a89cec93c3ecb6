"""The charts on an alert's page: readings from 15 minutes before to 15 minutes after it fired."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from operator import itemgetter
from statistics import median
from typing import Literal, NamedTuple

import msgspec

from monitor import formats
from monitor.alerts.evidence import AFTER_SECONDS, BEFORE_SECONDS, Evidence, Gap, Line
from monitor.rules.metrics import Metric, metrics
from monitor.telemetry.schema import Alert

_MISSED = 2.5
"""Steps without a reading that make a gap."""
_SHORTEST_GAP_SECONDS = 5.0
_LATE_SECONDS = 150.0
"""What is recorded reaches the database once a minute: until then its end is blank, not a gap."""
_NOT_RECORDED = "not recorded"
_COLOURS = (
    ("temperature", "temperature"),
    ("power", "power"),
    ("energy", "power"),
    ("memory_clock", "utilization"),
    ("memory", "memory"),
)
_FROM_ABOVE = ("_mhz",)
"""Metrics whose lowest value is the telling one."""


class Level(msgspec.Struct, frozen=True):
    """A horizontal line with its name."""

    value: float
    label: str


class Drawn(msgspec.Struct, frozen=True, kw_only=True):
    """What the script draws. Times are Unix seconds; values are in the unit of the chart."""

    times: list[float]
    values: list[float | None]
    start: float
    end: float
    low: float
    high: float
    step: float
    """Usual seconds between two readings."""
    digits: int
    unit: str
    is_own: bool
    """It shows the alert's own metric, so that the time in which the alert fired is shaded."""
    limit: Level | None
    clear: Level | None
    fired: float
    over: float | None
    """When the alert resolved."""
    severity: str
    gaps: list[tuple[float, float, str]]
    recorded_until: float | None
    """The end of what is recorded so far; None once it is complete."""


class EvidenceChart(NamedTuple):
    """One chart: its texts, which need no script, and what the script draws."""

    title: str
    caption: str
    worst: str
    """88 °C."""
    worst_label: Literal["max", "min"]
    colour: str
    summary: str
    """The curve in a sentence: 69 °C at first, from 69 to 88 °C, 67 °C at the end."""
    drawn: Drawn

    @property
    def json(self) -> str:
        """For the script."""
        return msgspec.json.encode(self.drawn).decode()


class Recorded(NamedTuple):
    """The evidence of an alert with what is needed to place it in time."""

    evidence: Evidence
    offset: float
    """Seconds from the alert that the readings were recorded with to this one; 0 if it is the same."""
    alert: Alert
    has_limit: bool
    """The alert's threshold is a value of its own metric."""
    clears_at: float | None
    """Where the alert resolves, if not at its threshold."""
    now: float

    @property
    def start(self) -> float:
        return self.alert.fired_at - BEFORE_SECONDS

    @property
    def end(self) -> float:
        return self.alert.fired_at + AFTER_SECONDS


def charts_of(recorded: Recorded) -> list[EvidenceChart]:
    """A chart for each line with a known value, the alert's own metric first."""
    lines = [line for line in recorded.evidence.lines if line.metric in metrics()]
    return [
        _chart(recorded, line, is_own=place == 0)
        for place, line in enumerate(lines)
        if any(value is not None for value in line.values)
    ]


def _chart(recorded: Recorded, line: Line, *, is_own: bool) -> EvidenceChart:
    metric, alert = metrics()[line.metric], recorded.alert
    times = [alert.fired_at - recorded.offset + offset for offset in recorded.evidence.times]
    points = [(at, value) for at, value in zip(times, line.values, strict=True) if recorded.start <= at <= recorded.end]
    known = [(at, value) for at, value in points if value is not None]
    values = [value for _, value in known]
    has_limit = recorded.has_limit and line.metric == alert.metric
    limit = alert.threshold if has_limit else None
    clear = recorded.clears_at if has_limit else None
    levels = [level for level in (limit, clear) if level is not None]
    form = _form(metric, max([*values, *levels, line.top or 0.0], key=abs, default=0.0))
    low, high = _axis(metric, values, levels, line.top, form)
    is_low_worse = line.metric.endswith(_FROM_ABOVE) or (is_own and _is_low_worse(alert))
    worst = (min if is_low_worse else max)(values, default=0.0)
    step = _step(times)
    gaps = _gaps(recorded, [at for at, _ in known], step)
    points = sorted([*points, *((gap.start + step / 2, None) for gap in gaps)], key=itemgetter(0))  # breaks in the line
    drawn = Drawn(
        times=[round(at, 1) for at, _ in points],
        values=[None if value is None else round(value / form.scale, 3) for _, value in points],
        start=recorded.start,
        end=recorded.end,
        low=low,
        high=high,
        step=step,
        digits=form.digits,
        unit=form.unit,
        is_own=is_own,
        limit=None if limit is None else Level(limit / form.scale, f"limit {metric.text(limit)}"),
        clear=None if clear is None else Level(clear / form.scale, f"resolves at {metric.text(clear)}"),
        fired=alert.fired_at,
        over=alert.resolved_at,
        severity=alert.severity,
        gaps=[(gap.start, gap.end, gap.reason) for gap in gaps],
        recorded_until=_recorded_until(recorded, times),
    )
    return EvidenceChart(
        title=title_of(metric),
        caption=_caption(metric, line, step) if not is_own else f"15{formats.THIN}min before and after, {_pace(step)}",
        worst=metric.text(worst),
        worst_label="min" if is_low_worse else "max",
        colour=_colour(metric),
        summary=_summary(metric, known),
        drawn=drawn,
    )


def title_of(metric: Metric) -> str:
    """SM clock; GPU memory of the process."""
    label = metric.label[:1].upper() + metric.label[1:]
    return f"{label} of the process" if metric.of == "process" else label


def _is_low_worse(alert: Alert) -> bool:
    """Whether the value fell below its limit."""
    return alert.value is not None and alert.threshold is not None and alert.value < alert.threshold


def _caption(metric: Metric, line: Line, step: float) -> str:
    return _pace(step) if line.top is None else f"max {metric.text(line.top)}"


def _pace(step: float) -> str:
    return "every second" if step < 1.5 else f"every {formats.duration(round(step))}"


def _summary(metric: Metric, known: Sequence[tuple[float, float]]) -> str:
    if not known:
        return "no value known"
    values = [value for _, value in known]
    return (
        f"{metric.text(values[0])} at first, between {metric.text(min(values))} and {metric.text(max(values))}, "
        f"{metric.text(values[-1])} at the end"
    )


def _colour(metric: Metric) -> str:
    """The colour of the series, the same as on cards and tables."""
    return next((colour for name, colour in _COLOURS if metric.field.startswith(name)), "utilization")


def _form(metric: Metric, largest: float) -> formats.Form:
    """The unit of the axis, and the digits of a reading at the cursor."""
    if metric.unit == "bytes":
        return formats.memory_form(abs(largest))
    return metric.form if metric.unit or abs(largest) >= 10 else metric.form._replace(digits=1)


def _axis(
    metric: Metric, values: Sequence[float], levels: Sequence[float], top: float | None, form: formats.Form
) -> tuple[float, float]:
    """Percentages from 0 to 100; degrees from a round value below the lowest; all others from 0 to a round value above."""
    drawn = [value / form.scale for value in (*values, *levels)] or [0.0]
    if metric.unit == "%":
        return 0.0, 100.0
    if metric.unit == "°C":
        return max(0.0, 25.0 * math.floor((min(drawn) - 5) / 25)), max(100.0, 25.0 * math.ceil((max(drawn) + 2) / 25))
    return min(0.0, math.floor(min(drawn))), _round_up(max(*drawn, (top or 0.0) / form.scale))


def _round_up(value: float) -> float:
    """A round number, not below: 2000 for 1980."""
    if value <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(each * power for each in (1, 2, 4, 5, 8, 10) if each * power >= value)


def _step(times: Sequence[float]) -> float:
    steps = [after - before for before, after in pairwise(times)]
    return max(1.0, median(steps)) if steps else 1.0


def _recorded_until(recorded: Recorded, times: Sequence[float]) -> float | None:
    """The end of the readings while more are to come."""
    if recorded.now > recorded.end + _LATE_SECONDS:
        return None
    return min(recorded.end, max(times[-1] if times else recorded.start, recorded.now - _LATE_SECONDS))


def _gaps(recorded: Recorded, known: Sequence[float], step: float) -> list[Gap]:
    """Where nothing is known, and why."""
    until = _recorded_until(recorded, known)
    edges = [recorded.start, *known, recorded.end if until is None else until]
    longest = max(_SHORTEST_GAP_SECONDS, _MISSED * step)
    base = recorded.alert.fired_at - recorded.offset
    noted = [Gap(base + gap.start, base + gap.end, gap.reason) for gap in recorded.evidence.gaps]
    return [
        Gap(before, after, _reason(before, after, noted))
        for before, after in pairwise(edges)
        if after - before > longest
    ]


def _reason(start: float, end: float, noted: Sequence[Gap]) -> str:
    """The reason that holds for most of the gap."""
    overlaps = [(min(end, gap.end) - max(start, gap.start), gap.reason) for gap in noted]
    longest = max(overlaps, default=(-1.0, _NOT_RECORDED))
    return longest[1] if longest[0] >= 0 else _NOT_RECORDED
