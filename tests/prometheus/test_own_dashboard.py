"""deploy/grafana and deploy/prometheus at work: Prometheus with our configuration scrapes a server, for our dashboard."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.fakes.fake_driver import FakeDriver
from tests.prometheus.dashboards import Query, queries_of
from tests.support.prometheus_server import Prometheus
from tests.support.servers import ROOT, Server, wait_for

DASHBOARD = ROOT / "deploy/grafana/gpumon.json"
PROMETHEUS = ROOT / "deploy/prometheus"
RULES = "gpumon.rules.yml"
MAKE_TOKEN = (
    "from monitor.access.tokens import make; from django.contrib.auth.models import User\n"
    "print(make(owner=User.objects.get(), name='prometheus', scopes=['metrics']).secret)"
)
CONTENT: dict[str, Any] = json.loads(DASHBOARD.read_text())
PANELS: list[dict[str, Any]] = CONTENT["panels"]


@pytest.fixture(scope="module")
def server(fake_library: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that requires a login, with a throttled GPU that has reported an Xid."""
    driver = FakeDriver(fake_library, tmp_path_factory.mktemp("driver"))
    driver.set({"gpus": 2, "gpu.0.clock_reasons": "0x4"})
    environment = {**driver.env, "PATH": "/nonexistent"}
    server = Server(tmp_path_factory.mktemp("data"), environment, auth="login").start()
    try:
        wait_for(lambda: server.health()["status"] == "ok", "a reading", seconds=60)
        driver.set({"gpu.0.xid": "79@1"})  # gpumon hears only what comes after it began to listen
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="module")
def prometheus(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """With our configuration, except that it asks this server, and more often."""
    folder = tmp_path_factory.mktemp("prometheus")
    server.make_superuser()
    (folder / "secrets").mkdir()
    (folder / "secrets" / "gpumon-token").write_text(server.manage("shell", "-v0", "-c", MAKE_TOKEN))
    (folder / RULES).write_text((PROMETHEUS / RULES).read_text())
    config = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text())
    config["global"] = dict.fromkeys(config["global"], "1s")
    config["scrape_configs"][0]["static_configs"][0]["targets"] = [server.url.removeprefix("http://")]
    prometheus = Prometheus(folder, yaml.safe_dump(config)).start()
    try:
        yield prometheus
    finally:
        prometheus.stop()


@pytest.mark.slow
def test_every_expression_of_the_dashboard_returns_rows(prometheus: Prometheus) -> None:
    for late in ("increase(gpumon_gpu_energy_joules_total[1m])", "gpumon_gpu_xid_errors_total", "ALERTS"):
        wait_for(partial(prometheus.rows, late), late, seconds=60)
    queries = queries_of(DASHBOARD)
    assert {query.panel for query in queries} >= {"$gpu", "Utilization", "Xid errors"}
    assert [f"{query.panel}: {query.expression}" for query in queries if not prometheus.rows(chosen(query))] == []


def chosen(query: Query) -> str:
    """Its expression for all GPUs of all hosts in the last hour, as Grafana sends it."""
    text = query.expression
    for variable, value in {"rate_interval": "1m", "interval": "15s", "range": "1h"}.items():
        text = text.replace(f"$__{variable}", value)
    return text.replace("$instance", ".*").replace("$gpu", ".*")


@pytest.mark.slow
def test_xid_fires_the_alert(prometheus: Prometheus) -> None:
    firing = 'ALERTS{alertname="GpuXid", alertstate="firing", xid="79", gpu="0"}'
    wait_for(lambda: prometheus.rows(firing), "the alert of Prometheus", seconds=60)
    others = prometheus.rows('ALERTS{alertstate="firing", alertname!="GpuXid"}')
    assert [row["metric"]["alertname"] for row in others] == []


def test_axis_of_a_share_ends_at_0_and_100_percent() -> None:
    shares = [panel for panel in PANELS if unit_of(panel) == "percentunit"]
    assert len(shares) > 5
    for panel in shares:
        defaults = panel["fieldConfig"]["defaults"]
        assert (defaults["min"], defaults["max"]) == (0, 1), panel["title"]


def test_unknown_is_a_gap_or_a_dash() -> None:
    for panel in PANELS:
        if panel["type"] != "row":
            assert panel["fieldConfig"]["defaults"]["noValue"] == "—", panel["title"]
        if panel["type"] in ("timeseries", "state-timeline"):
            assert panel["fieldConfig"]["defaults"]["custom"]["spanNulls"] is False, panel["title"]


def test_panels_fill_the_page_without_overlap() -> None:
    cells = [
        (column, line)
        for panel in PANELS
        for place in (panel["gridPos"],)
        for column in range(place["x"], place["x"] + place["w"])
        for line in range(place["y"], place["y"] + place["h"])
    ]
    assert len(cells) == len(set(cells)) == 24 * (max(line for _, line in cells) + 1)
    assert len({panel["id"] for panel in PANELS}) == len(PANELS)


def unit_of(panel: dict[str, Any]) -> str | None:
    unit: str | None = panel.get("fieldConfig", {}).get("defaults", {}).get("unit")
    return unit
