"""The values that a rule was tested on, as the data of a chart: series, threshold and the times in which it fired."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence

import msgspec

from monitor.rules.kinds.registry import kind_of
from monitor.rules.trial import Track, Tried

MOST_SERIES = 3


class Level(msgspec.Struct, frozen=True):
    """A horizontal line."""

    value: float
    label: str


class Series(msgspec.Struct, frozen=True):
    """The values of one subject, one for each of the chart's times."""

    label: str
    values: tuple[float | None, ...]
    """None: unknown then, so the line has a gap."""
    texts: tuple[str, ...]
    """Each value as people read it."""


class Chart(msgspec.Struct, frozen=True, kw_only=True):
    """A chart in the shape that `static/js/charts/trial_chart.js` draws."""

    title: str
    times: tuple[float, ...]
    """Unix seconds, rising."""
    series: tuple[Series, ...]
    """The worst subjects, the worst first."""
    threshold: Level
    clear: Level | None
    """Where the rule resolves, if not at its threshold."""
    low: Level
    high: Level
    """The ends of the scale."""
    firing: tuple[tuple[float, float], ...]
    """From and until, Unix seconds; no two overlap."""


def chart_of(tried: Tried) -> Chart | None:
    """The worst subjects' values over time; None if every value is unknown."""
    keys = _worst(tried)
    if not keys or tried.ended_at is None:
        return None
    rule, kind, tracks = tried.rule, kind_of(tried.rule), [tried.tracks[key] for key in keys]
    bases = {track.base for track in tracks if track.base is not None}
    # If the GPUs' own limits differ, one threshold fits only the offset from them.
    is_offset = bool(rule.relative_to) and len(bases) > 1
    offset = 0.0 if is_offset else sum(bases)
    columns = [
        [value - (track.base or 0.0) + offset if rule.relative_to else value for value in track.values]
        for track in tracks
    ]
    threshold = rule.threshold + offset
    clear = threshold if rule.clear_threshold is None else rule.clear_threshold + offset
    drawn = [value for column in columns for value in column if not math.isnan(value)]
    low, high = kind.scale(rule, min(*drawn, threshold, clear), max(*drawn, threshold, clear))
    times = _times(tracks, tried.gap_seconds)

    def level(value: float, label: str | None = None) -> Level:
        return Level(value, kind.value_text(rule, value) if label is None else label)

    return Chart(
        title=kind.chart_title(rule, is_offset=is_offset),
        times=tuple(times),
        series=tuple(
            Series(track.label, values, tuple("—" if each is None else kind.value_text(rule, each) for each in values))
            for track, column in zip(tracks, columns, strict=True)
            for values in [_aligned(times, track.times, column)]
        ),
        threshold=level(threshold, kind.threshold_text(rule, threshold, is_offset=is_offset)),
        clear=None if clear == threshold else level(clear, f"resolves at {kind.value_text(rule, clear)}"),
        low=level(low),
        high=level(high),
        firing=_joined((event.fired_at, event.resolved_at or tried.ended_at) for event in tried.events),
    )


def _times(tracks: Iterable[Track], gap_seconds: float) -> list[float]:
    """Every time at which a series has a value, and one inside each gap between readings, where none has."""
    known = sorted({time for track in tracks for time in track.times})
    gaps = [before + gap_seconds for before, after in itertools.pairwise(known) if after - before > gap_seconds]
    return sorted([*known, *gaps])


def _aligned(times: Sequence[float], own: Iterable[float], values: Iterable[float]) -> tuple[float | None, ...]:
    at = {time: value for time, value in zip(own, values, strict=True) if not math.isnan(value)}
    return tuple(at.get(time) for time in times)


def _joined(spans: Iterable[tuple[float, float]]) -> tuple[tuple[float, float], ...]:
    """Overlapping spans as one: shading on shading would hide the lines."""
    joined: list[tuple[float, float]] = []
    for start, end in sorted(spans):
        if joined and start <= joined[-1][1]:
            joined[-1] = joined[-1][0], max(joined[-1][1], end)
        else:
            joined.append((start, max(start, end)))
    return tuple(joined)


def _worst(tried: Tried) -> list[str]:
    """The subjects that fired longest, then those that came closest to the threshold; none without a known value."""
    fired: dict[str, float] = {}
    for event in tried.events:
        fired[event.subject] = fired.get(event.subject, 0.0) + tried.fired_seconds(event)
    sign = 1 if tried.rule.comparator.startswith(">") else -1

    def rank(key: str) -> tuple[float, float]:
        track = tried.tracks[key]
        base = track.base or 0.0
        return fired.get(key, -1.0), max(sign * (value - base) for value in track.values if not math.isnan(value))

    known = [key for key, track in tried.tracks.items() if any(not math.isnan(value) for value in track.values)]
    return sorted(known, key=rank, reverse=True)[:MOST_SERIES]
