"""Which GPUs the hosts had, and when: what "GPUs × time" of a span is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple


class Lifetime(NamedTuple):
    """Spans in which a host had one GPU, in order and without overlap."""

    spans: tuple[tuple[float, float], ...]

    def within(self, start: float, end: float) -> float:
        """Seconds of it in this span."""
        return sum(max(0.0, min(end, until) - max(start, since)) for since, until in self.spans)


def lifetimes(periods: Iterable[tuple[int, float, float]]) -> Mapping[int, Lifetime]:
    """By GPU. `periods`: GPU, start, end."""
    found: dict[int, list[tuple[float, float]]] = {}
    for gpu, start, end in sorted(periods, key=lambda each: each[1]):
        spans = found.setdefault(gpu, [])
        if spans and start <= spans[-1][1]:  # the clock was set back in between
            spans[-1] = spans[-1][0], max(spans[-1][1], end)
        else:
            spans.append((start, end))
    return {gpu: Lifetime(tuple(spans)) for gpu, spans in found.items()}
