"""Metric families of known values only: a value that is None has no sample, and a family without samples does not exist."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from prometheus_client.metrics_core import Metric

Labels = dict[str, str]
Samples = Iterable[tuple[Labels, float | None]]
"""The labels and the value of each; labels can be shared between families."""


def gauge(name: str, documentation: str, samples: Samples) -> Iterator[Metric]:
    """A gauge."""
    yield from _family(Metric(name, documentation, "gauge"), name, samples)


def counter(name: str, documentation: str, samples: Samples) -> Iterator[Metric]:
    """A counter. `name` ends with _total."""
    yield from _family(Metric(name.removesuffix("_total"), documentation, "counter"), name, samples)


def untyped(name: str, documentation: str, samples: Samples) -> Iterator[Metric]:
    """A counter of another exporter, whose name lacks the _total that exposition formats require of counters."""
    yield from _family(Metric(name, documentation, "unknown"), name, samples)


def info(name: str, documentation: str, facts: Iterable[Mapping[str, str | None]]) -> Iterator[Metric]:
    """Facts as labels of the value 1. `name` ends with _info. An unknown fact has no label."""
    known = ({label: text for label, text in each.items() if text is not None} for each in facts)
    samples = ((labels, 1.0) for labels in known)
    yield from _family(Metric(name.removesuffix("_info"), documentation, "info"), name, samples)


def _family(family: Metric, name: str, samples: Samples) -> Iterator[Metric]:
    for labels, value in samples:
        if value is not None:
            family.add_sample(name, labels, value)
    if family.samples:
        yield family
