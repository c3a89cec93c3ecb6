"""/metrics?host= of a hub."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client

from monitor.fleet.registry import Row
from monitor.runtime.runtime import Runtime
from monitor.telemetry.schema import System
from tests.support.runtimes import current_runtime
from tests.support.snapshots import gpu, host
from tests.web.hosts.joined import HUB, id_of, join

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("static_root")]
OTHER = id_of("dgx-02")


@pytest.fixture
def clock() -> list[float]:
    return [1000.0]


@pytest.fixture(autouse=True)
def hub(clock: list[float]) -> Iterator[Runtime]:
    """Its own GPU has 40 °C, that of dgx-02 50 °C; nothing has arrived from dgx-01."""
    with current_runtime(host_id=HUB, monotonic=lambda: clock[0]) as runtime:
        runtime.metrics.take(host(gpu(0, temperature_celsius=40), host="hub", host_id=HUB))
        runtime.hub.take(host(gpu(0, temperature_celsius=40), host="hub", host_id=HUB))
        names = {id_of(name): name for name in ("dgx-01", "dgx-02")}
        runtime.fleet.set_rows(
            [Row(host_id, name, (), "active", None, "", "", None, "") for host_id, name in names.items()]
        )
        theirs = host(
            gpu(0, temperature_celsius=50), sampled_at=1000.0, poll_interval_seconds=1.0, system=System(cpu_percent=5.0)
        )
        join(runtime, "dgx-02", theirs)
        yield runtime


def scrape(client: Client, query: str = "") -> Any:
    return client.get(f"/metrics{query}")


@pytest.mark.parametrize(
    ("query", "celsius"), [("", 40), ("?host=hub", 40), ("?host=dgx-02", 50), (f"?host={OTHER}", 50)]
)
def test_each_host_has_its_own_readings(client: Client, query: str, celsius: int) -> None:
    text = scrape(client, query).content.decode()
    assert f'gpumon_gpu_temperature_celsius{{gpu="0",uuid="GPU-0"}} {celsius}.0\n' in text
    is_own = celsius == 40
    assert ("gpumon_build_info" in text, "gpumon_fleet_host_up" in text) == (is_own, is_own)


def test_fleet_is_in_the_scrape_of_the_hub(client: Client) -> None:
    text = scrape(client).content.decode()
    assert 'gpumon_fleet_hosts{state="active"} 2.0\n' in text
    assert 'gpumon_fleet_host_up{host="dgx-02",state="active"} 1.0\n' in text
    assert 'gpumon_fleet_host_up{host="dgx-01"' not in text


def test_silent_host_is_stale_and_then_down(client: Client, hub: Runtime, clock: list[float]) -> None:
    assert "gpumon_host_cpu_ratio" in scrape(client, "?host=dgx-02").content.decode()
    clock[0] += 20
    text = scrape(client, "?host=dgx-02").content.decode()
    assert "gpumon_readings_stale 1.0\n" in text
    assert "gpumon_gpu_temperature_celsius{" not in text
    assert "gpumon_host_cpu_ratio" not in text
    hub.metrics.take(host(gpu(0), host="hub", host_id=HUB))
    text = scrape(client).content.decode()
    assert 'gpumon_fleet_host_up{host="dgx-02",state="active"} 0.0\n' in text
    assert 'gpumon_fleet_host_age_seconds{host="dgx-02"} 20.0\n' in text


def test_names_of_other_exporters_have_the_host_as_their_label(client: Client) -> None:
    assert 'Hostname="dgx-02"' in scrape(client, "?host=dgx-02&names=dcgm").content.decode()


def test_unknown_and_silent_hosts_are_refused_with_the_reason(client: Client) -> None:
    unknown, silent = scrape(client, "?host=dgx-09"), scrape(client, "?host=dgx-01")
    assert (unknown.status_code, silent.status_code) == (404, 503)
    assert "No host 'dgx-09'" in unknown.json()["error"]
    assert "No reading of this host" in silent.json()["error"]
