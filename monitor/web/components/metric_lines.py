"""One metric of several GPUs and the host: the lines of a chart, with mean, lowest and highest value of each."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from monitor.history.metrics import GPU_METRICS, HOST_METRICS, SUMS, Metric, metric_of
from monitor.history.queries import Answer
from monitor.history.store import HOST

HUES = 8
_HOST_COUNTERPARTS = {"utilization_percent": "cpu_percent"}
"""The host's metric of the same meaning under another name."""


class Choice(NamedTuple):
    """A metric that the page can show."""

    name: str
    title: str
    of_gpus: str
    """The GPUs' metric; empty if only the host has one."""
    of_host: str
    """The host's metric beside it; empty if only GPUs have one."""

    @property
    def is_sum(self) -> bool:
        """An amount of each bucket, such as its energy."""
        return self.name in SUMS


def _choices() -> tuple[Choice, ...]:
    hosts = {metric.name: metric for metric in HOST_METRICS}
    of_gpus = [Choice(metric.name, metric.title, metric.name, _host_name(metric, hosts)) for metric in GPU_METRICS]
    beside = {choice.of_host for choice in of_gpus}
    alone = [Choice(name, metric.title, "", name) for name, metric in hosts.items() if name not in beside]
    return (*of_gpus, *alone)


def _host_name(metric: Metric, hosts: Iterable[str]) -> str:
    name = _HOST_COUNTERPARTS.get(metric.name, metric.name)
    return name if name in hosts else ""


CHOICES = _choices()


class Line(NamedTuple):
    source: str
    """UUID, or "host"."""
    metric: str
    name: str
    hue: str
    """data-hue: 1 to 8, or "others"."""
    is_shown: bool
    mean: str
    low: str
    high: str
    users: str = ""
    """Who used the GPU in the span; empty: nobody known, or nobody may be seen."""


class Source(NamedTuple):
    """A GPU or the host, with the metric that it shows."""

    key: str
    name: str
    metric: str


def sources_of(choice: Choice, gpus: Iterable[tuple[str, str]]) -> list[Source]:
    """These GPUs (UUID and name), then the host, as far as they have the metric."""
    found = [Source(uuid, name, choice.of_gpus) for uuid, name in gpus] if choice.of_gpus else []
    return [*found, *([Source(HOST, "Host", choice.of_host)] if choice.of_host else [])]


def lines_of(sources: Sequence[Source], answers: Iterable[Answer], wanted: Iterable[str]) -> list[Line]:
    """A line for each source. `wanted`: keys of those that are switched on; if none of them is known, all GPUs."""
    by_key = {answer.source: answer for answer in answers}
    keys = {each.key for each in sources}
    shown = keys & set(wanted) or keys - {HOST} or keys
    return [_line(each, place, each.key in shown, by_key.get(each.key)) for place, each in enumerate(sources, start=1)]


def _line(source: Source, place: int, is_shown: bool, answer: Answer | None) -> Line:
    number = metric_of(source.metric).form.number
    hue = str(place) if place <= HUES and source.key != HOST else "others"
    figures = (None, None, None) if answer is None else summary(answer)
    mean, low, high = ("—" if value is None else number(value) for value in figures)
    return Line(source.key, source.metric, source.name, hue, is_shown, mean, low, high)


def summary(answer: Answer) -> tuple[float | None, float | None, float | None]:
    """Mean (weighted by the time each bucket covers; of amounts such as energy the sum), lowest and highest value of a bucket.

    None if no value is known.
    """
    known = [(mean, seconds) for mean, seconds in zip(answer.mean, answer.seconds, strict=True) if mean is not None]
    covered = sum(seconds for _, seconds in known)
    mean = sum(mean * seconds for mean, seconds in known) / covered if covered else None
    if answer.metric in SUMS and known:
        mean = sum(value for value, _ in known)
    lows = [low for low in answer.low if low is not None]
    highs = [high for high in answer.high if high is not None]
    return mean, min(lows, default=None), max(highs, default=None)
