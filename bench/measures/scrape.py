"""The cost of a scrape: 64 GPUs in all vocabularies, against prometheus_client rendering the same samples from its registry."""

from __future__ import annotations

import gzip
import time
from collections.abc import Iterator
from statistics import median

from prometheus_client import CollectorRegistry, Counter, Gauge, disable_created_metrics
from prometheus_client.exposition import choose_encoder

from bench.figures import Figure
from monitor.config.metrics_names import METRICS_NAMES
from monitor.prometheus.stage import MetricsStage
from monitor.prometheus.vocabularies import VOCABULARIES
from monitor.telemetry.host.system import SystemMetrics
from monitor.telemetry.options import Options
from monitor.telemetry.providers.simulated import Simulated
from monitor.telemetry.schema import Snapshot

_GPUS, _ROUNDS, _TAKES = 64, 15, 20_000
_ACCEPT = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,text/plain;version=0.0.4;q=0.2"
"""As Prometheus 3 sends it."""


def measure() -> Iterator[Figure]:
    """Both make the same bytes in the same format and compress them alike, in turns in one process. The registry has its values
    already, and lasting objects for them; gpumon begins with the snapshot."""
    snapshots = _snapshots()
    stage = MetricsStage()
    first = next(snapshots)
    registry, count = _registry_of(first)
    ratios, ours, floors = [], [], []
    for snapshot, _ in zip(snapshots, range(_ROUNDS), strict=False):
        stage.take(snapshot)
        began = time.process_time()
        stage.body(METRICS_NAMES, _ACCEPT, has_details=True)
        of_stage = time.process_time() - began
        began = time.process_time()
        encode, _content_type = choose_encoder(_ACCEPT)
        gzip.compress(encode(registry), compresslevel=1, mtime=0)
        of_registry = time.process_time() - began
        ratios.append(of_stage / of_registry)
        ours.append(of_stage)
        floors.append(of_registry)
    measured = (
        f"CPU of a scrape of {_GPUS} GPUs in all vocabularies / of prometheus_client's registry with the same samples"
    )
    yield Figure(median(ratios), "x", 1.3, measured)
    yield Figure(median(ours) * 1e3, " ms", None, f"that scrape: {count} series")
    yield Figure(median(floors) * 1e3, " ms", None, "the floor: the registry")
    own = sum(len(family.samples) for family in VOCABULARIES["own"](first))
    yield Figure(own, "", 6000, f"series of {_GPUS} GPUs in gpumon's own names")
    began = time.process_time()
    for _ in range(_TAKES):
        stage.take(first)
    yield Figure((time.process_time() - began) / _TAKES * 1e6, " µs", 5, "CPU of a reading that nobody scrapes")


def _snapshots() -> Iterator[Snapshot]:
    """One second after the other."""
    provider, system = Simulated(Options(simulated_gpus=_GPUS)), SystemMetrics()
    provider.open()
    now = time.time()
    while True:
        now += 1
        reading = provider.read(now)
        yield Snapshot(
            host="bench",
            seq=int(now),
            time=now,
            sampled_at=now,
            age_seconds=0.0,
            provider="simulated",
            is_simulated=True,
            driver_version=reading.driver_version,
            cuda_version=reading.cuda_version,
            poll_interval_seconds=1.0,
            gpus=reading.gpus,
            system=system.read(now),
        )


def _registry_of(snapshot: Snapshot) -> tuple[CollectorRegistry, int]:
    """A registry with the same samples, and their number. Labels that a sample lacks are empty."""
    disable_created_metrics()  # type: ignore[no-untyped-call]
    registry = CollectorRegistry()
    count = 0
    for family in (family for name in METRICS_NAMES for family in VOCABULARIES[name](snapshot)):
        kind = Counter if family.type == "counter" else Gauge
        labels = sorted({label for sample in family.samples for label in sample.labels})
        metric = kind(family.samples[0].name, family.documentation, labels, registry=registry)
        for sample in family.samples:
            child = metric.labels(*(sample.labels.get(label, "") for label in labels)) if labels else metric
            if isinstance(child, Counter):
                child.inc(sample.value)
            else:
                child.set(sample.value)
            count += 1
    return registry, count
