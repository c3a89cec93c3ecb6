"""The values that a rule was tried on, as lines, thresholds and shaded times of a small SVG picture."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from monitor.rules.evaluation import LONGEST_STEP_SECONDS
from monitor.rules.kinds.registry import kind_of
from monitor.rules.trial import Track, Tried

WIDTH, HEIGHT = 720, 200
LEFT, RIGHT, TOP, BOTTOM = 78, 12, 10, 24
"""Room for the labels."""
TEXT_ABOVE, TEXT_BELOW, TEXT_BESIDE = -5, 13, 4
"""From a line to the foot of the letters that belong to it."""
LETTERS = 12
"""The height of a line of them."""
MOST_LINES = 3


class Line(NamedTuple):
    """One subject's values."""

    label: str
    pieces: list[str]
    """Points of one polyline each; between two of them nothing was known."""


class Mark(NamedTuple):
    """A height with its words."""

    y: str
    text_y: str
    """The foot of the letters."""
    text: str


class Span(NamedTuple):
    """A time in which it fired, for one subject or several at once."""

    x: str
    width: str


class Chart(NamedTuple):
    """Everything that the template draws, in the picture's own units."""

    title: str
    lines: list[Line]
    threshold: Mark
    clear: Mark | None
    """Where the threshold on the way back is another one."""
    marks: list[Mark]
    """The top and the bottom of the scale."""
    firing: list[Span]
    seconds: float
    """From the left edge to the right one."""


def chart_of(tried: Tried) -> Chart | None:
    """The worst subjects' values over time; None where nothing was known."""
    keys = _worst(tried)
    if not keys or tried.began_at is None or tried.ended_at is None:
        return None
    rule, kind, tracks = tried.rule, kind_of(tried.rule), [tried.tracks[key] for key in keys]
    bases = {track.base for track in tracks if track.base is not None}
    # With limits that differ from GPU to GPU only the distance from them can be drawn with one threshold.
    is_offset = bool(rule.relative_to) and len(bases) > 1
    offset = 0.0 if is_offset else sum(bases)
    values = [
        [value - (track.base or 0.0) + offset if rule.relative_to else value for value in track.values]
        for track in tracks
    ]
    threshold = rule.threshold + offset
    clear = None if rule.clear_threshold is None else rule.clear_threshold + offset
    drawn = [value for each in values for value in each if not math.isnan(value)]
    drawn += [threshold, threshold if clear is None else clear]
    low, high = kind.scale(rule, min(drawn), max(drawn))
    began, seconds = tried.began_at, max(1.0, tried.ended_at - tried.began_at)

    def x(time: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * min(1.0, max(0.0, (time - began) / seconds))

    def y(value: float) -> float:
        return TOP + (HEIGHT - TOP - BOTTOM) * (high - value) / (high - low)

    foot, clear_foot = _feet(y(threshold), y(threshold if clear is None else clear))
    return Chart(
        title=kind.chart_title(rule, is_offset=is_offset),
        lines=[
            Line(
                track.label,
                [*_pieces([(x(time), y(value)) for time, value in points] for points in _known(track, each))],
            )
            for track, each in zip(tracks, values, strict=True)
        ],
        threshold=Mark(f"{y(threshold):.1f}", f"{foot:.1f}", kind.threshold_text(rule, threshold, is_offset=is_offset)),
        clear=None
        if clear is None or clear == threshold
        else Mark(f"{y(clear):.1f}", f"{clear_foot:.1f}", f"resolves at {kind.value_text(rule, clear)}"),
        marks=[
            Mark(f"{y(value):.1f}", f"{y(value) + TEXT_BESIDE:.1f}", kind.value_text(rule, value))
            for value in (high, low)
        ],
        firing=[
            Span(f"{left:.1f}", f"{max(1.0, right - left):.1f}")
            for left, right in _joined(
                (x(event.fired_at), x(event.resolved_at or tried.ended_at)) for event in tried.events
            )
        ],
        seconds=seconds,
    )


def _feet(threshold: float, clear: float) -> tuple[float, float]:
    """Where the words of both lines stand: those of the upper one above it and of the lower one below it, as far as the
    picture has room for them, and never on each other.
    """
    if threshold > clear:
        return _feet(clear, threshold)[::-1]
    has_room_above, has_room_below = threshold + TEXT_ABOVE >= LETTERS, clear + TEXT_BELOW <= HEIGHT - BOTTOM
    upper = threshold + (TEXT_ABOVE if has_room_above else TEXT_BELOW)
    lower = clear + (TEXT_BELOW if has_room_below else TEXT_ABOVE)
    if has_room_above:
        return min(upper, lower - LETTERS), lower
    return upper, max(lower, upper + LETTERS)


def _joined(spans: Iterable[tuple[float, float]]) -> list[tuple[float, float]]:
    """Spans without what they have in common: shading that lies on shading hides the lines."""
    joined: list[tuple[float, float]] = []
    for left, right in sorted(spans):
        if joined and left <= joined[-1][1]:
            joined[-1] = joined[-1][0], max(joined[-1][1], right)
        else:
            joined.append((left, right))
    return joined


def _worst(tried: Tried) -> list[str]:
    """Subjects that fired, the longest first, then those that came closest."""
    fired: dict[str, float] = {}
    for event in tried.events:
        fired[event.subject] = fired.get(event.subject, 0.0) + tried.fired_seconds(event)
    sign = 1 if tried.rule.comparator.startswith(">") else -1

    def rank(key: str) -> tuple[float, float]:
        track = tried.tracks[key]
        base = track.base or 0.0
        return fired.get(key, -1.0), max(sign * (value - base) for value in track.values if not math.isnan(value))

    known = [key for key, track in tried.tracks.items() if any(not math.isnan(value) for value in track.values)]
    return sorted(known, key=rank, reverse=True)[:MOST_LINES]


def _known(track: Track, values: Sequence[float]) -> Iterator[list[tuple[float, float]]]:
    """The values without what is unknown, parted where it is, and where readings are too far apart to say anything."""
    piece: list[tuple[float, float]] = []
    before = math.inf
    for time, value in zip(track.times, values, strict=True):
        if piece and (math.isnan(value) or time - before > LONGEST_STEP_SECONDS):
            yield piece
            piece = []
        if not math.isnan(value):
            piece.append((time, value))
        before = time
    if piece:
        yield piece


def _pieces(pieces: Iterator[list[tuple[float, float]]]) -> Iterator[str]:
    """Points for polylines: of many in one pixel the highest and the lowest, so that no peak is lost."""
    for points in pieces:
        kept: list[tuple[float, float]] = []
        bucket: list[tuple[float, float]] = []
        for point in points:
            if bucket and int(point[0]) != int(bucket[0][0]):
                kept += _ends(bucket)
                bucket = []
            bucket.append(point)
        kept += _ends(bucket)
        if len(kept) == 1:
            kept.append((kept[0][0] + 1.0, kept[0][1]))  # a line of no length is not drawn
        yield " ".join(f"{left:.1f},{height:.1f}" for left, height in kept)


def _ends(bucket: list[tuple[float, float]]) -> list[tuple[float, float]]:
    return sorted({min(bucket, key=lambda point: point[1]), max(bucket, key=lambda point: point[1])})
