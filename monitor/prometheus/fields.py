"""A table of schema fields under another exporter's names, and the metrics made by it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Literal, NamedTuple

from prometheus_client import Metric
from prometheus_client.samples import Sample

from monitor.telemetry.schema import Gpu, MigInstance

Labelled = Sequence[tuple[Gpu | MigInstance, dict[str, str]]]
"""GPUs or MIG instances, each with the labels of all its samples."""


Kind = Literal["gauge", "counter", "unknown"]


class Field(NamedTuple):
    """One metric of another exporter, and the field of `Gpu` or `MigInstance` that it shows."""

    name: str
    source: str
    help: str
    convert: Callable[[Any], float | None] = float
    """From the schema's unit to the other exporter's. None: the other exporter has no number for this value."""
    kind: Kind = "gauge"
    """unknown: a counter whose name lacks `_total`. Exposition formats allow no other name for a counter."""


def metrics_of(fields: Iterable[Field], labelled: Labelled) -> Iterator[Metric]:
    """A metric for each field that is known of any of them; what is unknown has no sample."""
    for field in fields:
        name, source, convert = field.name, field.source, field.convert
        samples = []
        for part, labels in labelled:
            value = getattr(part, source)
            if value is not None and (number := convert(value)) is not None:
                samples.append(Sample(name, labels, number))
        if samples:
            yield metric_with(field.name, field.help, samples, field.kind)


def metric_with(name: str, text: str, samples: list[Sample], kind: Kind = "gauge") -> Metric:
    """These samples as one metric. prometheus_client names a counter without `_total`."""
    metric = Metric(name.removesuffix("_total") if kind == "counter" else name, text, kind)
    metric.samples = samples
    return metric


def nvml_bus_id(pci_bus_id: str | None) -> str:
    """The PCI address as NVML writes it, 00000000:3B:00.0; empty if unknown."""
    if pci_bus_id is None:
        return ""
    domain, rest = pci_bus_id.split(":", 1)
    return f"{domain:0>8}:{rest}".upper()


def ratio(percent: float) -> float:
    """0 to 1."""
    return percent / 100


def mebibytes(size: float) -> float:
    """MiB."""
    return size / 1_048_576


def hertz(megahertz: float) -> float:
    """Hz."""
    return megahertz * 1_000_000


def millijoules(joules: float) -> float:
    """mJ."""
    return joules * 1000
