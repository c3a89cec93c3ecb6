"""The stage behind /metrics: nothing is made unless somebody asks, and then once for all."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from monitor.config.metrics_names import METRICS_NAMES
from monitor.prometheus import stage as stage_module
from monitor.prometheus.stage import MetricsStage
from monitor.prometheus.vocabularies import VOCABULARIES
from monitor.telemetry.schema import Snapshot
from tests.support.snapshots import gpu, host

OPENMETRICS = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"


def test_every_vocabulary_that_the_setting_allows_exists() -> None:
    assert set(VOCABULARIES) == set(METRICS_NAMES)


def test_body_is_made_once_per_snapshot_and_only_on_demand(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []

    def counted(snapshot: Snapshot) -> tuple[()]:
        made.append(snapshot.seq)
        return ()

    monkeypatch.setattr(stage_module, "VOCABULARIES", {"own": counted})
    stage = MetricsStage()
    for seq in range(5):
        stage.take(host(gpu(), seq=seq))
    assert made == []
    with ThreadPoolExecutor(4) as scrapers:
        bodies = list(scrapers.map(lambda _: stage.body(["own"], "", has_details=True), range(8)))
    assert made == [4]
    assert len({id(body) for body in bodies}) == 1
    stage.take(host(gpu(), seq=5))
    stage.body(["own"], "", has_details=True)
    assert made == [4, 5]


def test_format_follows_the_accept_header() -> None:
    stage = MetricsStage()
    stage.take(host(gpu()))
    text = stage.body(["own"], "*/*", has_details=True)
    openmetrics = stage.body(["own"], OPENMETRICS, has_details=True)
    assert text.content_type.startswith("text/plain; version=0.0.4")
    assert openmetrics.content_type.startswith("application/openmetrics-text; version=1.0.0")
    assert openmetrics.plain.endswith(b"# EOF\n")
    assert b'gpumon_gpu_utilization_ratio{gpu="0",uuid="GPU-0"} 0.5\n' in text.plain
