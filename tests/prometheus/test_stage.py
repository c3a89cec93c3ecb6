"""The stage behind /metrics: nothing is made unless somebody asks, and then once for all."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from prometheus_client.parser import text_string_to_metric_families

from monitor.config.metrics_names import METRICS_NAMES
from monitor.prometheus import stage as stage_module
from monitor.prometheus.families import counter
from monitor.prometheus.stage import MetricsStage
from monitor.prometheus.vocabularies import VOCABULARIES
from monitor.telemetry.schema import Snapshot, System
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


def test_snapshot_without_a_successor_becomes_stale_and_older_with_each_scrape() -> None:
    """The thread that makes snapshots may have ended: what it showed last must not look current."""
    now = [100.0]
    stage = MetricsStage(monotonic=lambda: now[0])
    stage.take(host(gpu(), age_seconds=1.0, system=System(cpu_percent=5.0)))

    def scraped() -> dict[str, float]:
        text = stage.body(["own"], "", has_details=True).plain.decode()
        return {one.name: one.value for each in text_string_to_metric_families(text) for one in each.samples}

    assert (scraped()["gpumon_readings_stale"], scraped()["gpumon_host_cpu_ratio"]) == (0, 0.05)
    for silent in (60.0, 90.0):
        now[0] = 100.0 + silent
        assert (scraped()["gpumon_readings_stale"], scraped()["gpumon_reading_age_seconds"]) == (1, 1 + silent)
        assert not {"gpumon_host_cpu_ratio", "gpumon_gpu_utilization_ratio"} & scraped().keys()


def test_before_the_first_reading_only_the_program_is_known() -> None:
    """And nothing of it is kept: the next reading may come at any moment."""
    figures = iter(range(2))
    stage = MetricsStage(lambda: counter("gpumon_readings_total", "Readings.", [({}, next(figures))]))
    bodies = [stage.body(["own", "dcgm"], "", has_details=True).plain for _ in range(2)]
    assert [b"gpumon_readings_total 0.0" in bodies[0], b"gpumon_readings_total 1.0" in bodies[1]] == [True, True]
    assert bodies[0].count(b"# TYPE") == 1
