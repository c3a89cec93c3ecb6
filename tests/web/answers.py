"""Answers of the history, as `monitor.history.queries.history` gives them, for tests of the pages and the API."""

from __future__ import annotations

from collections.abc import Sequence

from monitor.history.metrics import metric_of
from monitor.history.queries import Answer, Gap


def answer(
    source: str,
    metric: str,
    values: Sequence[tuple[float, float, float] | None],
    *,
    start: int = 1_790_000_000,
    bucket: int = 60,
    seconds: Sequence[float] | None = None,
    gaps: Sequence[Gap] = (),
) -> Answer:
    """`values`: lowest, mean and highest of each bucket from `start` on; None if unknown."""
    low, mean, high = ([None if each is None else each[place] for each in values] for place in range(3))
    return Answer(
        source=source,
        metric=metric,
        unit=metric_of(metric).unit,
        tier="minutes",
        bucket_seconds=bucket,
        start=start,
        end=start + bucket * len(values),
        time=[start + bucket * place for place in range(len(values))],
        low=low,
        mean=mean,
        high=high,
        seconds=list(seconds or [bucket] * len(values)),
        gaps=list(gaps),
        is_thinned=False,
    )
