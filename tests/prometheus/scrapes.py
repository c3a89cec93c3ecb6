"""What a vocabulary makes of a snapshot, by name and labels."""

from __future__ import annotations

from prometheus_client.samples import Sample

from monitor.prometheus.vocabularies import Vocabulary
from monitor.telemetry.schema import Snapshot


def samples_of(vocabulary: Vocabulary, snapshot: Snapshot) -> dict[str, list[Sample]]:
    """All samples, by the name of their metric."""
    samples: dict[str, list[Sample]] = {}
    for metric in vocabulary(snapshot):
        assert metric.samples, f"{metric.name} has no sample"
        for sample in metric.samples:
            samples.setdefault(sample.name, []).append(sample)
    return samples


def values_of(vocabulary: Vocabulary, snapshot: Snapshot) -> dict[str, float]:
    """The value of each metric with one sample."""
    return {name: found[0].value for name, found in samples_of(vocabulary, snapshot).items() if len(found) == 1}
