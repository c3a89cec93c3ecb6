"""What a GPU did over a span as a thin strip: busy, idle-held, free or without data, in the color of its user."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, tzinfo
from typing import NamedTuple

from monitor.formats import THIN
from monitor.telemetry.schema import Snapshot
from monitor.usage.ribbons import Ribbon, RibbonSpan, RibbonUser

HOURS = 24
WIDTH, HEIGHT = 288.0, 10.0
STEP_SECONDS = 300
"""The strip begins at a whole step, so that it stays the same until the next one."""
_HELD_HEIGHT = 4.0
_LEAST_SHARE = 1 / 96
"""Of the strip: a quarter-hour of a day. Shorter times are not named in the caption."""
_NAMED = 2
_NOT_RECORDED = "not recorded"
_MOST_SHARES = 12


class Part(NamedTuple):
    """A span of the strip."""

    kind: str
    """A hue (1 to 8, others), used (a user whom the viewer may not see) or nobody."""
    x: str
    y: str
    width: str
    height: str
    title: str

    @property
    def is_hue(self) -> bool:
        return self.kind not in ("used", "nobody")


class Hatch(NamedTuple):
    """A span without data."""

    path: str
    title: str


class RibbonStrip(NamedTuple):
    """One GPU's strip."""

    label: str
    caption: str
    parts: tuple[Part, ...]
    hatches: tuple[Hatch, ...]


class CardRibbon(NamedTuple):
    """The strip of a card on the dashboard."""

    place: int
    """Of the card on the page."""
    strip: RibbonStrip


class Share(NamedTuple):
    """A line of the legend: a user or a state, and for how long."""

    label: str
    kind: str
    """A hue (1 to 8, others), used, held, nobody, free or unknown."""
    text: str

    @property
    def is_hue(self) -> bool:
        return self.kind == "others" or self.kind.isdigit()


class Who(NamedTuple):
    """The strip above the charts of a GPU, and its legend."""

    strip: RibbonStrip
    shares: tuple[Share, ...]


class Ribbons(NamedTuple):
    """The strips of a page, and the users in them."""

    cards: tuple[CardRibbon, ...]
    users: tuple[RibbonUser, ...]
    """With a hue of their own, by hue."""


def start_of(now: float) -> float:
    """When the strip begins."""
    return now // STEP_SECONDS * STEP_SECONDS + STEP_SECONDS - HOURS * 3600


def strips_of(
    snapshot: Snapshot, ribbons: Sequence[Ribbon], start: float, zone: tzinfo, *, has_details: bool
) -> Ribbons:
    """For each GPU of the snapshot that the ledger knows. Without details: what it did, but not who used it."""
    known: Mapping[str, Ribbon] = {ribbon.uuid: ribbon for ribbon in ribbons}
    end = start + HOURS * 3600
    cards = [
        CardRibbon(place, _strip(f"Last 24 hours of GPU {gpu.index}", known[gpu.uuid], start, end, zone, has_details))
        for place, gpu in enumerate(snapshot.gpus)
        if gpu.uuid in known
    ]
    users = {user.user: user for ribbon in ribbons for user in ribbon.users if user.hue} if has_details else {}
    return Ribbons(tuple(cards), tuple(sorted(users.values(), key=lambda user: user.hue)))


def who_of(ribbon: Ribbon, start: float, end: float, zone: tzinfo, *, has_details: bool) -> Who:
    """The strip of one GPU over a span."""
    strip = _strip(f"GPU {ribbon.index}", ribbon, start, end, zone, has_details)
    return Who(strip, tuple(_shares(ribbon, start, has_details=has_details)))


def _strip(label: str, ribbon: Ribbon, start: float, end: float, zone: tzinfo, has_details: bool) -> RibbonStrip:
    scale = WIDTH / (end - start)
    form = "%H:%M" if end - start <= HOURS * 3600 else "%d %b %H:%M"
    parts: list[Part] = []
    hatches: list[Hatch] = []
    for span in ribbon.spans:
        left, right = max(0.0, (span.start - start) * scale), min(WIDTH, (span.end - start) * scale)
        title = _title(span, zone, form, has_details=has_details)
        if span.state in ("unknown", "lost"):
            hatches.append(Hatch(_hatch(left, right), title))
        elif span.state != "free":
            height = _HELD_HEIGHT if span.state == "held" else HEIGHT
            width = max(0.3, right - left)
            parts.append(
                Part(_kind(span, has_details=has_details), f"{left:.1f}", f"{HEIGHT - height:.0f}", f"{width:.1f}",
                     f"{height:.0f}", title)
            )  # fmt: skip
    for since, until in _unrecorded(ribbon, start):
        title = f"{_NOT_RECORDED}, {_clock(since, zone, form)}–{_clock(until, zone, form)}"
        hatches.append(Hatch(_hatch((since - start) * scale, (until - start) * scale), title))
    caption = " · ".join(_captions(ribbon, start, end, has_details=has_details)) or "free"
    return RibbonStrip(f"{label}: {caption}", caption, tuple(parts), tuple(hatches))


def _unrecorded(ribbon: Ribbon, start: float) -> Iterator[tuple[float, float]]:
    """The times before the last span that have none: the recording began later, or the host did not have the GPU."""
    at = start
    for span in ribbon.spans:
        if span.start > at:
            yield at, span.start
        at = span.end


def _shares(ribbon: Ribbon, start: float, *, has_details: bool) -> Iterator[Share]:
    seconds = _by_state(ribbon)
    if has_details:
        held: dict[str, float] = {}
        for span in ribbon.spans:
            if span.state == "held" and span.user:
                held[span.user] = held.get(span.user, 0.0) + span.end - span.start
        for user in ribbon.users[:_MOST_SHARES]:
            idle = min(held.get(user.user, 0.0), user.seconds)  # of spans, whose ends are rounded
            more = f", idle-held {_hours(idle)}" if idle >= 60 else ""
            yield Share(user.user, str(user.hue) if user.hue else "others", f"{_hours(user.seconds)}{more}")
    else:
        yield Share("busy", "used", _hours(seconds.get("busy", 0.0)))
        if seconds.get("held"):
            yield Share("idle-held", "held", f"{_hours(seconds['held'])}, half height")
    unknown = seconds.get("unknown", 0.0) + seconds.get("lost", 0.0)
    unrecorded = sum(until - since for since, until in _unrecorded(ribbon, start))
    for label, kind, length in (
        ("free", "free", seconds.get("free", 0.0)),
        ("no data", "unknown", unknown),
        (_NOT_RECORDED, "unknown", unrecorded),
    ):
        if length >= 60:
            yield Share(label, kind, _hours(length))


def _hours(seconds: float) -> str:
    """1.3 h; minutes below an hour, seconds below a minute."""
    if seconds < 60:
        return f"{seconds:.0f}{THIN}s"
    return f"{seconds / 3600:.1f}{THIN}h" if seconds >= 3600 else f"{seconds / 60:.0f}{THIN}min"


def _by_state(ribbon: Ribbon) -> dict[str, float]:
    seconds: dict[str, float] = {}
    for span in ribbon.spans:
        seconds[span.state] = seconds.get(span.state, 0.0) + span.end - span.start
    return seconds


def _kind(span: RibbonSpan, *, has_details: bool) -> str:
    if not has_details:
        return "used"
    if not span.user:
        return "nobody"
    return str(span.hue) if span.hue else "others"


def _title(span: RibbonSpan, zone: tzinfo, form: str, *, has_details: bool) -> str:
    """mira, idle-held, 20:35–01:35."""
    words = {"busy": [], "held": ["idle-held"], "lost": ["lost"], "unknown": ["no data"], "free": ["free"]}[span.state]
    if span.state in ("busy", "held"):
        who = span.user if has_details else ""
        words = [who, *words] if who else words or ["busy"]
    return ", ".join([*words, f"{_clock(span.start, zone, form)}–{_clock(span.end, zone, form)}"])


def _clock(at: float, zone: tzinfo, form: str) -> str:
    return datetime.fromtimestamp(at, zone).strftime(form)


def _captions(ribbon: Ribbon, start: float, end: float, *, has_details: bool) -> Iterator[str]:
    """Who had it longest, or what it did; then for how long there is no data, and nothing recorded."""
    seconds = _by_state(ribbon)
    if has_details:
        named = [(user.user, user.seconds) for user in ribbon.users[:_NAMED]]
        if len(ribbon.users) > _NAMED:
            named.append((f"{len(ribbon.users) - _NAMED} more", sum(user.seconds for user in ribbon.users[_NAMED:])))
    else:
        named = [("busy", seconds.get("busy", 0.0)), ("idle-held", seconds.get("held", 0.0))]
    unknown = ("no data", seconds.get("unknown", 0.0) + seconds.get("lost", 0.0))
    unrecorded = (_NOT_RECORDED, sum(until - since for since, until in _unrecorded(ribbon, start)))
    for words, length in (*named, unknown, unrecorded):
        if length > 0 and length >= (end - start) * _LEAST_SHARE:
            yield f"{words} {_hours(length)}"


def _hatch(left: float, right: float) -> str:
    """Slanted lines, three units apart."""
    lines = []
    x = left
    while x < right:
        lines.append(f"M{x:.1f} {HEIGHT:.0f}L{min(right, x + 2):.1f} 0")
        x += 3
    return "".join(lines)
