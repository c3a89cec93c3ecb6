"""/metrics as Prometheus asks for it, on a real server where everyone must log in."""

from __future__ import annotations

import gzip
from collections.abc import Iterator

import psutil
import pytest
import requests
from prometheus_client.parser import text_string_to_metric_families

from monitor.version import __version__
from tests.support.people import Made, make_people
from tests.support.servers import Server, wait_for
from tests.support.sockets import connect

pytestmark = pytest.mark.slow

ACCEPT = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,"
    "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,text/plain;version=0.0.4;q=0.2,*/*;q=0.1"
)
"""As Prometheus 3 sends it."""
REQUESTS_PER_MINUTE = 10


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Two simulated GPUs. The test is the proxy in front, so it can have other addresses than the host's, which has no limit."""
    server = Server(
        tmp_path_factory.mktemp("metrics"),
        telemetry_provider="simulated",
        simulated_gpus=2,
        trusted_proxies="127.0.0.1",
        api_requests_per_minute=REQUESTS_PER_MINUTE,
        poll_interval_ms=200,
        sampler_timeout_ms=500,
    ).start()
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="module")
def made(server: Server) -> Made:
    return make_people(server)


@pytest.fixture
def scraper(made: Made) -> requests.Session:
    """A client with a token of the scope `metrics`."""
    scraper = requests.Session()
    scraper.headers["Authorization"] = f"Bearer {made.tokens['metrics']}"
    return scraper


def metrics_of(server: Server, scraper: requests.Session, query: str = "") -> dict[str, float]:
    """The value of each metric, of the last sample where it has several."""
    answer = scraper.get(f"{server.url}/metrics{query}", timeout=40)
    assert answer.status_code == 200, answer.text
    return {one.name: one.value for each in text_string_to_metric_families(answer.text) for one in each.samples}


def test_scrape_without_a_login_is_refused_with_401_whatever_it_accepts(server: Server) -> None:
    for accept in (ACCEPT, "text/html"):
        answer = requests.get(f"{server.url}/metrics", headers={"Accept": accept}, allow_redirects=False, timeout=40)
        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"] == 'Bearer realm="gpumon"'
        assert "Authorization: Bearer" in answer.json()["error"]


def test_token_without_the_scope_is_refused_with_403(server: Server, made: Made) -> None:
    headers = {"Authorization": f"Bearer {made.tokens['read']}"}
    answer = requests.get(f"{server.url}/metrics", headers=headers, timeout=40)
    assert answer.status_code == 403
    assert 'error="insufficient_scope", scope="metrics"' in answer.headers["WWW-Authenticate"]


def test_scrapes_over_the_limit_are_refused_with_429(server: Server, scraper: requests.Session) -> None:
    answers = [
        scraper.get(f"{server.url}/metrics", headers={"X-Forwarded-For": "192.0.2.7"}, timeout=40)
        for _ in range(REQUESTS_PER_MINUTE + 5)
    ]
    assert {answer.status_code for answer in answers} == {200, 429}
    refused = next(answer for answer in answers if answer.status_code == 429)
    assert int(refused.headers["Retry-After"]) >= 1
    assert "Too many requests" in refused.json()["error"]


def test_format_and_compression_are_negotiated(server: Server, scraper: requests.Session) -> None:
    for accept, content_type in (
        (ACCEPT, "application/openmetrics-text; version=1.0.0; charset=utf-8"),
        ("text/html", "text/plain; version=0.0.4; charset=utf-8"),
    ):
        for encoding in ("gzip", "identity"):
            headers = {"Accept": accept, "Accept-Encoding": encoding}
            answer = scraper.get(f"{server.url}/metrics", headers=headers, stream=True, timeout=40)
            body = answer.raw.read()
            assert answer.headers.get("Content-Encoding", "identity") == encoding
            assert answer.headers["Content-Type"] == content_type
            assert {"no-store", "private"} <= set(answer.headers["Cache-Control"].split(", "))
            text = (gzip.decompress(body) if encoding == "gzip" else body).decode()
            assert "# TYPE gpumon_build info" in text or "# TYPE gpumon_build_info gauge" in text


def test_head_has_the_headers_and_other_methods_are_refused(server: Server, scraper: requests.Session) -> None:
    head = scraper.head(f"{server.url}/metrics", headers={"Accept-Encoding": "identity"}, timeout=40)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    posted = scraper.post(f"{server.url}/metrics", timeout=40)
    assert (posted.status_code, posted.headers["Allow"]) == (405, "GET, HEAD")


def test_names_of_the_address_replace_those_of_the_setting(server: Server, scraper: requests.Session) -> None:
    wait_for(lambda: "gpumon_gpus" in metrics_of(server, scraper), "the first reading")
    assert {name.partition("_")[0] for name in metrics_of(server, scraper)} == {"gpumon", "process"}
    both = metrics_of(server, scraper, "?names=nvidia_smi,DCGM")
    assert {"DCGM_FI_DEV_GPU_UTIL", "nvidia_smi_utilization_gpu_ratio"} <= both.keys()
    assert not any(name.startswith("gpumon_") for name in both)


@pytest.mark.parametrize("names", ["", "dcgm,nonsense", "all", "%00"])
def test_unknown_names_are_refused_with_those_that_exist(server: Server, scraper: requests.Session, names: str) -> None:
    answer = scraper.get(f"{server.url}/metrics?names={names}", timeout=40)
    assert answer.status_code == 400
    assert "must be one or more of own, dcgm and nvidia_smi" in answer.json()["error"]


def test_program_tells_of_itself(server: Server, scraper: requests.Session, made: Made) -> None:
    wait_for(lambda: metrics_of(server, scraper)["gpumon_readings_total"] >= 2, "two readings")
    headers = {"Authorization": f"Bearer {made.tokens['read']}"}
    with connect(f"{server.ws}/ws/gpu", additional_headers=headers) as client:
        client.recv(timeout=40)
        wait_for(lambda: metrics_of(server, scraper).get("gpumon_clients") == 1, "the client to be counted")
    values = metrics_of(server, scraper)
    assert values["gpumon_tick_seconds_count"] >= 2
    assert values["gpumon_tick_seconds_sum"] > 0
    assert values["gpumon_dropped_frames_total"] == 0
    assert values["gpumon_database_bytes"] > 0
    assert values["process_resident_memory_bytes"] > 0
    assert f'gpumon_build_info{{version="{__version__}"}} 1.0' in scraper.get(f"{server.url}/metrics", timeout=40).text
    wait_for(lambda: "gpumon_notifications_waiting" in metrics_of(server, scraper), "the first look at the outbox")


def test_process_labels_are_shown_only_if_the_setting_allows_them(server: Server, scraper: requests.Session) -> None:
    wait_for(lambda: "gpumon_gpu_processes" in metrics_of(server, scraper), "the first reading")
    assert not any(name.startswith("gpumon_process_") for name in metrics_of(server, scraper))


def test_driver_that_hangs_makes_readings_stale_and_no_scrape_late(
    server: Server, scraper: requests.Session, made: Made
) -> None:
    """The sampler stands still, as inside a driver that hangs; then a new one reads again."""
    headers = {"Authorization": f"Bearer {made.tokens['read']}"}

    def sampler_pid() -> int | None:
        health: dict[str, int | None] = requests.get(f"{server.url}/api/health", headers=headers, timeout=40).json()
        return health["sampler_pid"]

    wait_for(lambda: "gpumon_gpu_utilization_ratio" in metrics_of(server, scraper), "a reading")
    psutil.Process(wait_for(sampler_pid, "the sampler")).suspend()
    stale = wait_for(
        lambda: (now := metrics_of(server, scraper))["gpumon_readings_stale"] == 1 and now, "the readings to be stale"
    )
    assert stale["gpumon_reading_age_seconds"] >= 0.5
    assert {"gpumon_gpu_info", "gpumon_gpu_state", "gpumon_host_cpus"} <= stale.keys()
    assert "gpumon_gpu_utilization_ratio" not in stale
    again = wait_for(
        lambda: (now := metrics_of(server, scraper))["gpumon_readings_stale"] == 0 and now, "readings again", seconds=60
    )
    assert again["gpumon_sampler_restarts_total"] >= 1
    assert "gpumon_gpu_utilization_ratio" in again
