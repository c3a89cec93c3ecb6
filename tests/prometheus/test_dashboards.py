"""Grafana dashboards made for other exporters, on a real Prometheus that scrapes a real server on the fake driver."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from monitor.prometheus import dcgm, nvidia_smi
from tests.fakes.fake_driver import FakeDriver
from tests.prometheus.dashboards import Query, queries_of
from tests.support.prometheus_server import Prometheus
from tests.support.servers import ROOT, Server, wait_for

pytestmark = pytest.mark.slow

FOLDER = ROOT.parent / "shared/data/grafana"
"""The dashboards with most downloads: 12239 for dcgm-exporter, 14574 and 25547 for nvidia_gpu_exporter."""
NOT_EXPORTED = {**dcgm.NOT_EXPORTED, **nvidia_smi.NOT_EXPORTED}
OF_PROMETHEUS = {"job", "instance"}
"""Labels that Prometheus adds."""
QUERIED = {
    "DCGM_FI_DEV_FB_USED", "DCGM_FI_DEV_GPU_TEMP", "DCGM_FI_DEV_GPU_UTIL", "DCGM_FI_DEV_POWER_USAGE",
    "DCGM_FI_DEV_SM_CLOCK", "DCGM_FI_PROF_PIPE_TENSOR_ACTIVE",
    *(
        f"nvidia_smi_{name}"
        for name in (
            "clocks_current_graphics_clock_hz", "clocks_current_memory_clock_hz", "clocks_current_sm_clock_hz",
            "clocks_current_video_clock_hz", "clocks_max_graphics_clock_hz", "clocks_max_memory_clock_hz",
            "compute_app_info", "compute_app_used_memory_bytes", "compute_apps_last_collect_success", "compute_mode",
            "ecc_errors_uncorrected_aggregate_total", "energy_joules_total", "enforced_power_limit_watts", "fabric_state",
            "fan_speed_ratio", "gpu_info", "gpu_recovery_action", "index", "memory_total_bytes", "memory_used_bytes",
            "mig_info", "mig_memory_used_bytes", "mig_sm_activity_ratio", "mig_tensor_activity_ratio",
            "pcie_throughput_rx_bytes_per_second", "pcie_throughput_tx_bytes_per_second", "power_default_limit_watts",
            "power_draw_watts", "power_limit_watts", "pstate", "temperature_gpu", "utilization_gpu_ratio",
            "utilization_memory_ratio", "xid_errors_total", "xid_last_timestamp_seconds",
        )
    ),
    *(
        f"nvidia_smi_clocks_{generation}_reasons_{reason}"
        for generation in ("event", "throttle")
        for reason in (
            "applications_clocks_setting", "gpu_idle", "hw_power_brake_slowdown", "hw_thermal_slowdown", "sw_power_cap",
            "sw_thermal_slowdown", "sync_boost",
        )
    ),
}  # fmt: skip
"""Every metric that the dashboards query: a clone of the project alone lacks the dashboards."""


@pytest.fixture(scope="module")
def server(fake_library: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A GPU with Xids and a process, and one in MIG mode."""
    driver = FakeDriver(fake_library, tmp_path_factory.mktemp("driver"))
    instances = "1c.3g.40gb:1:0:40192:4096, 1c.3g.40gb:1:1:40192:4096, 1g.10gb:9:0:9728:100"
    running = f"{os.getpid()}:C:512"
    driver.set({"gpus": 2, "gpu.0.processes": running, "gpu.1.mig": "on", "gpu.1.mig_instances": instances})
    server = Server(
        tmp_path_factory.mktemp("data"),
        {**driver.env, "PATH": "/nonexistent"},
        metrics_names="own,dcgm,nvidia_smi",
        metrics_processes=5,
        history="false",
        record_usage="false",
    ).start()
    try:
        wait_for(lambda: "DCGM_FI_DEV_XID_ERRORS" in scraped(server), "a reading", seconds=60)
        driver.set({"gpu.0.xid": "79@1,13@2"})  # gpumon hears only what comes after it began to listen
        # Activity is the mean of 10 s.
        late = {
            "nvidia_smi_xid_errors_total",
            "DCGM_FI_PROF_PIPE_TENSOR_ACTIVE",
            "nvidia_smi_mig_tensor_activity_ratio",
        }
        wait_for(lambda: late <= scraped(server).keys(), "the Xids and the activity", seconds=60)
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="module")
def prometheus(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """It scrapes the server every two seconds."""
    job = {"job_name": "gpumon", "static_configs": [{"targets": [server.url.removeprefix("http://")]}]}
    config = {"global": {"scrape_interval": "2s"}, "scrape_configs": [job]}
    prometheus = Prometheus(tmp_path_factory.mktemp("prometheus"), json.dumps(config)).start()
    try:
        yield prometheus
    finally:
        prometheus.stop()


@pytest.fixture(scope="module")
def queries() -> list[Query]:
    if not FOLDER.is_dir():
        pytest.skip("no fault: the dashboards in ../shared/data/grafana are not part of the project")
    return [query for dashboard in sorted(FOLDER.glob("*.json")) for query in queries_of(dashboard)]


def scraped(server: Server) -> dict[str, set[str]]:
    """The labels of each metric in a scrape."""
    labels: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(server.get("/metrics")[1]):
        for sample in family.samples:
            labels.setdefault(sample.name, set()).update(sample.labels)
    return labels


def test_every_queried_metric_is_exported_or_listed_with_a_reason(server: Server) -> None:
    assert QUERIED - scraped(server).keys() == QUERIED & NOT_EXPORTED.keys()


def test_the_dashboards_query_these_metrics(queries: list[Query]) -> None:
    assert set().union(*(query.metrics for query in queries)) == QUERIED


def test_every_queried_label_is_exported(server: Server, queries: list[Query]) -> None:
    labels = scraped(server)
    for query in queries:
        for metric, wanted in query.selectors:
            if metric not in NOT_EXPORTED:
                assert wanted <= labels[metric] | OF_PROMETHEUS, f"{query.dashboard}, {query.panel}: {metric}"
        known = set().union(*(labels.get(metric, set()) for metric in query.metrics))
        assert query.labels <= known | OF_PROMETHEUS, f"{query.dashboard}, {query.panel}"


def test_prometheus_stores_every_exported_metric(prometheus: Prometheus) -> None:
    exported = QUERIED - NOT_EXPORTED.keys() | {"gpumon_gpu_utilization_ratio"}

    def stored() -> set[str]:
        return {row["metric"]["__name__"] for row in prometheus.rows('{job="gpumon"}')}

    wait_for(lambda: exported <= stored(), "a scrape", seconds=60)
    assert not stored() & NOT_EXPORTED.keys()


def test_every_panel_has_rows(prometheus: Prometheus, server: Server, queries: list[Query]) -> None:
    instance = server.url.removeprefix("http://")
    wait_for(lambda: prometheus.rows("nvidia_smi_gpu_info"), "a scrape", seconds=60)
    uuids = [row["metric"]["uuid"] for row in prometheus.rows("nvidia_smi_gpu_info")]

    def has_rows(query: Query) -> bool:
        """For one GPU or all, as the dashboard lets its user choose."""
        given = query.expression.replace("$__rate_interval", "1m").replace("$job", "gpumon")
        given = given.replace("$node", instance).replace("$instance", instance)
        choices = [".+"] if "DCGM_" in given else [*uuids, "|".join(uuids)]
        return any(prometheus.rows(given.replace("$gpu", choice)) for choice in choices)

    for query in queries:
        # A rate needs two scrapes, and after one that fails on a busy machine no metric has rows until the next.
        wait_for(lambda query=query: has_rows(query), f"{query.dashboard}, {query.panel}: rows", seconds=60)
