"""A table of schema fields under another exporter's names, and the metrics made by it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from prometheus_client.metrics_core import Metric

from monitor.prometheus.families import Labels, Samples, gauge

Labelled = Sequence[tuple[object, Labels]]
"""Structs of the schema, such as GPUs or MIG instances, each with the labels of all its samples."""


class Field(NamedTuple):
    """One metric, and the field of the schema that it shows."""

    name: str
    source: str
    documentation: str
    convert: Callable[[Any], float | None] = float
    """From the schema's unit to the metric's. None: the metric has no number for this value."""
    family: Callable[[str, str, Samples], Iterator[Metric]] = gauge


def metrics_of(fields: Iterable[Field], labelled: Labelled) -> Iterator[Metric]:
    """The metrics of these fields."""
    for field in fields:
        yield from field.family(field.name, field.documentation, _samples(field, labelled))


def _samples(field: Field, labelled: Labelled) -> Samples:
    for part, labels in labelled:
        value = getattr(part, field.source)
        yield labels, None if value is None else field.convert(value)


def nvml_bus_id(pci_bus_id: str | None) -> str | None:
    """The PCI address as NVML writes it: 00000000:3B:00.0. A recording can contain anything; what is no address stays as it is."""
    domain, colon, rest = (pci_bus_id or "").partition(":")
    return f"{domain:0>8}:{rest}".upper() if colon else pci_bus_id


def ratio(percent: float) -> float:
    """0 to 1, without the digits that only the division makes."""
    return round(percent / 100, 6)


def mebibytes(size: float) -> float:
    """MiB."""
    return size / 1_048_576


def hertz(megahertz: float) -> float:
    """Hz."""
    return megahertz * 1_000_000


def millijoules(joules: float) -> float:
    """mJ."""
    return joules * 1000


def performance_state(state: str) -> float | None:
    """P0 to P15 as 0 to 15."""
    number = state.removeprefix("P")
    return float(number) if number.isdecimal() else None
