"""The spans of a host that its books have not counted and late readings can still fill."""

from __future__ import annotations

KEPT_SECONDS = 7200.0
"""Agents keep an hour."""
MOST_SPANS = 100
"""Of a host whose connection flaps; beyond that, the oldest are dropped."""

Spans = list[tuple[float, float]]
"""From and until, in order, apart from one another. Unix seconds."""


def add(missed: Spans, start: float, end: float) -> None:
    """Note a span after all others, and drop those that are too old."""
    if start < end:
        missed.append((start, end))
    missed[:] = [span for span in missed if span[1] > end - KEPT_SECONDS][-MOST_SPANS:]


def claim(missed: Spans, start: float, end: float) -> Spans:
    """Remove this span, and return the parts of it that were missed: each is counted once."""
    claimed = [(max(start, since), min(end, until)) for since, until in missed if since < end and until > start]
    left: Spans = []
    for since, until in missed:
        rest = (
            [(since, min(until, start)), (max(since, end), until)]
            if since < end and until > start
            else [(since, until)]
        )
        left += [span for span in rest if span[0] < span[1]]
    missed[:] = left
    return claimed
