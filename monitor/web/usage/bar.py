"""One bar of all GPUs' time: users, held by nobody, free, unknown. The same numbers stand in its legend and sum."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from monitor.formats import THIN
from monitor.usage.reports import Report
from monitor.web.usage import numbers

WIDTH, HEIGHT = 1000.0, 34.0
_GAP = 1.2
_LEAST_PERCENT = 0.5
"""Users with less are among the others in the bar; the table has them."""
_HATCH_STEP = 2.0


class Segment(NamedTuple):
    """A part of the bar."""

    label: str
    kind: str
    """A hue (1 to 8, others), or nobody, free, unknown, used."""
    seconds: float
    percent: str
    title: str
    x: str
    width: str
    hatch: str
    """Path of the lines over an unknown part; empty for the others."""

    @property
    def is_hue(self) -> bool:
        return self.kind == "others" or self.kind.isdigit()


class UsageBar:
    """`report`: by user. `has_users`: the viewer may see who it was; else they are one part."""

    def __init__(self, report: Report, *, has_users: bool) -> None:
        total = report.gpu_seconds
        parts = [part for part in _parts(report, has_users=has_users) if part[2] > 0 and total > 0]
        self.segments: list[Segment] = []
        x = 0.0
        for label, kind, seconds in parts:
            width = WIDTH * seconds / total
            hatch = _hatch(x, x + width - _GAP) if kind == "unknown" else ""
            share = numbers.percent(numbers.share(seconds, total), 1)
            title = f"{label[0].upper()}{label[1:]}" if not (has_users and kind.isdigit()) else label
            title = f"{title}: {numbers.hours(seconds)} GPU-hours, {share}"
            drawn = f"{max(0.4, width - _GAP):.2f}"
            self.segments.append(Segment(label, kind, seconds, share, title, f"{x:.2f}", drawn, hatch))
            x += width
        self.total = numbers.hours(total)
        self.sums = [
            (label, numbers.hours(seconds))
            for label, seconds in (
                ("users", report.users_seconds),
                ("held by nobody", report.nobody_seconds),
                ("free", report.free_seconds),
                ("unknown", report.unknown_seconds),
            )
        ]
        days = (report.end - report.start) / 86400
        span = f"{days:.0f}{THIN}d" if days >= 2 else f"{days * 24:.0f}{THIN}h"
        hosts = f" of {len(report.hosts)} hosts" if len(report.hosts) > 1 else ""
        self.what = f"{report.gpu_count} GPU{'' if report.gpu_count == 1 else 's'}{hosts} × {span}"


def _parts(report: Report, *, has_users: bool) -> Iterator[tuple[str, str, float]]:
    if has_users:
        least = report.gpu_seconds * _LEAST_PERCENT / 100
        named = [row for row in report.rows if row.hue and row.share_seconds >= least]
        yield from ((row.label, str(row.hue), row.share_seconds) for row in named)
        others = [row for row in report.rows if row not in named and row.share_seconds > 0]
        rest = report.users_seconds - sum(row.share_seconds for row in named)
        if others:
            yield (others[0].label if len(others) == 1 else f"{len(others)} others"), "others", rest
    else:
        yield "in use", "used", report.users_seconds
    yield "held by nobody", "nobody", report.nobody_seconds
    yield "free", "free", report.free_seconds
    yield "unknown", "unknown", report.unknown_seconds


def _hatch(left: float, right: float) -> str:
    """Slanted lines from left to right."""
    lines: list[str] = []
    x = left
    while x + 1.6 < right and len(lines) < 600:
        lines.append(f"M{x:.1f} {HEIGHT:.0f}L{x + 1.5:.1f} 0h.5L{x + 0.5:.1f} {HEIGHT:.0f}z")
        x += _HATCH_STEP
    return "".join(lines)
