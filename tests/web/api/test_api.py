"""The JSON API as a script sees it: the real server with and without GPUs, before and after its first reading."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import psutil
import pytest

from monitor.config.declarations import PREFIX
from monitor.config.model import Config
from tests.fakes.fake_driver import FakeDriver
from tests.support.servers import Server, wait_for
from tests.support.sockets import connect

pytestmark = pytest.mark.slow

ENDPOINTS = ("/api/health", "/api/alerts", "/api/config", "/api/snapshot", "/api/schema")


class Answer(NamedTuple):
    """The status, headers and content of a JSON response."""

    status: int
    content: Any
    headers: http.client.HTTPMessage


def ask(server: Server, path: str, method: str = "GET", **headers: str) -> Answer:
    with closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=40)) as connection:
        connection.request(method, path, headers=headers)
        response = connection.getresponse()
        assert response.headers["Content-Type"] == "application/json", response.read()
        return Answer(response.status, json.loads(response.read()), response.headers)


def settings_of(server: Server) -> dict[str, Any]:
    return {setting["name"]: setting for setting in ask(server, "/api/config").content["settings"]}


# ── Health ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_health_is_200_and_ok_while_readings_are_fresh(gpu_server: Server) -> None:
    answer = ask(gpu_server, "/api/health")
    assert answer.status == 200
    health = answer.content
    assert (health["status"], health["reason"], health["provider"], health["gpu_count"]) == ("ok", None, "simulated", 3)
    assert health["providers"] == [{"name": "simulated", "is_chosen": True, "reason": None, "fix": None}]
    assert 0 <= health["age_seconds"] < 60
    assert psutil.pid_exists(health["sampler_pid"])
    assert (health["sampler_restarts"], health["sampler_abandoned"], health["clamped_count"]) == (0, 0, 0)


def test_health_counts_clients_by_kind(gpu_server: Server) -> None:
    with (
        connect(f"{gpu_server.ws}/ws/gpu"),
        connect(f"{gpu_server.ws}/ws/gpu"),
        connect(f"{gpu_server.ws}/ws/dashboard", origin=gpu_server.url),
    ):
        wait_for(lambda: gpu_server.health()["clients"] == {"gpu": 2, "dashboard": 1}, "three clients")
    wait_for(lambda: not any(gpu_server.health()["clients"].values()), "them to be gone")


def test_health_is_503_without_a_provider_and_lists_each_reason_and_fix(bare_server: Server) -> None:
    answer = ask(bare_server, "/api/health")
    assert answer.status == 503
    health = answer.content
    assert (health["status"], health["reason"]) == ("down", "No data source responds.")
    assert (health["provider"], health["age_seconds"], health["gpu_count"]) == (None, None, 0)
    assert [report["name"] for report in health["providers"]] == ["pynvml", "nvidia_smi", "nvtop"]
    for report in health["providers"]:
        assert not report["is_chosen"]
        assert report["reason"]
        assert report["fix"]


def test_empty_page_and_health_use_the_same_words(bare_server: Server) -> None:
    status, page = bare_server.get("/")
    assert status == 200
    text = page.replace("&#x27;", "'").replace("&amp;", "&")
    for report in bare_server.health()["providers"]:
        assert all(word in text for part in (report["reason"], report["fix"]) for word in part.split("`"))


@pytest.fixture
def frozen_server(tmp_path: Path) -> Iterator[Server]:
    """A server whose sampler stops responding after a first reading, as inside a driver that hangs."""
    server = Server(
        tmp_path, telemetry_provider="simulated", simulated_gpus=2, poll_interval_ms=100, sampler_timeout_ms=500
    ).start()
    pid = wait_for(lambda: (now := server.health())["status"] == "ok" and now["sampler_pid"], "the first reading")
    psutil.Process(pid).suspend()
    yield server
    server.stop()


def test_health_is_503_while_readings_are_stale_and_200_when_they_return(frozen_server: Server) -> None:
    stale = wait_for(lambda: (now := ask(frozen_server, "/api/health")).status == 503 and now.content, "staleness")
    assert stale["status"] == "down"
    assert "has not answered" in stale["reason"]
    assert (stale["provider"], stale["gpu_count"]) == ("simulated", 2)
    assert stale["age_seconds"] >= 0.5
    again = wait_for(lambda: (now := ask(frozen_server, "/api/health")).status == 200 and now.content, "readings")
    assert again["status"] == "ok"
    assert again["sampler_restarts"] >= 1
    assert again["age_seconds"] < stale["age_seconds"]


# ── Before the first reading ──────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def waiting_server(tmp_path: Path, fake_driver: FakeDriver) -> Iterator[Server]:
    """A server whose driver hangs at start, with an interval of a minute until that is reported."""
    fake_driver.set({"hang.nvmlInitWithFlags": 1})
    server = Server(tmp_path, fake_driver.env, poll_interval_ms=60_000).start()
    yield server
    fake_driver.set({"hang.nvmlInitWithFlags": 0})
    server.stop()


def test_snapshot_and_health_are_503_before_the_first_reading(waiting_server: Server) -> None:
    snapshot, health = ask(waiting_server, "/api/snapshot"), ask(waiting_server, "/api/health")
    assert (snapshot.status, health.status) == (503, 503)
    assert "No reading yet" in snapshot.content["error"]
    assert (health.content["status"], health.content["host"], health.content["providers"]) == ("down", None, [])
    assert "Waiting for the first reading" in health.content["reason"]
    assert ask(waiting_server, "/api/snapshot?gpu=0").status == 503


# ── Config ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_config_lists_every_setting_with_its_value_and_source(gpu_server: Server) -> None:
    settings = settings_of(gpu_server)
    assert set(settings) == {PREFIX + name.upper() for name in Config.model_fields}
    told = {name.removeprefix(PREFIX): (setting["value"], setting["source"]) for name, setting in settings.items()}
    assert told["TELEMETRY_PROVIDER"] == ("simulated", "environment")
    assert told["SIMULATED_GPUS"] == (3, "environment")
    assert told["PORT"] == (gpu_server.port, "environment")
    assert told["POLL_INTERVAL_MS"] == (1000, "default")
    assert told["ALLOWED_HOSTS"] == ([], "default")
    assert told["REPLAY_FILE"] == (None, "default")


def test_config_never_shows_the_secret_key_set_in_the_environment(gpu_server: Server) -> None:
    status, text = gpu_server.get("/api/config")
    assert status == 200
    secret = settings_of(gpu_server)[f"{PREFIX}SECRET_KEY"]
    assert secret == {"name": f"{PREFIX}SECRET_KEY", "value": None, "source": "environment", "is_secret": True}
    value = gpu_server.environment[f"{PREFIX}SECRET_KEY"]
    assert value not in text
    assert value not in gpu_server.log


def test_config_never_shows_the_secret_key_kept_in_the_data_folder(bare_server: Server) -> None:
    settings = settings_of(bare_server)
    kept = (Path(settings[f"{PREFIX}DATA_DIR"]["value"]) / "secret_key").read_text().strip()
    assert kept
    assert settings[f"{PREFIX}SECRET_KEY"]["value"] is None
    assert kept not in bare_server.get("/api/config")[1]
    assert kept not in bare_server.log


# ── Snapshot ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_snapshot_is_complete_and_its_sequence_number_rises(gpu_server: Server) -> None:
    first = ask(gpu_server, "/api/snapshot").content
    assert [gpu["index"] for gpu in first["gpus"]] == [0, 1, 2]
    assert first["is_simulated"]
    assert first["system"]["memory_total_bytes"] > 0
    assert first["totals"]["gpu_count"] == 3
    wait_for(lambda: ask(gpu_server, "/api/snapshot").content["seq"] > first["seq"], "the next reading")


@pytest.mark.parametrize("known_by", ["index", "uuid"])
def test_single_gpu_is_returned_by_index_and_by_uuid(gpu_server: Server, known_by: str) -> None:
    wanted = ask(gpu_server, "/api/snapshot").content["gpus"][1]
    gpu = ask(gpu_server, f"/api/snapshot?gpu={wanted[known_by]}")
    assert gpu.status == 200
    assert {key: gpu.content[key] for key in ("index", "uuid", "name")} == {
        key: wanted[key] for key in ("index", "uuid", "name")
    }


@pytest.mark.parametrize("wanted", ["9", "-1", "GPU-0", "", "1%00", "%ff", "0&gpu=9"])
def test_unknown_gpu_is_404_and_the_error_names_the_known_ones(gpu_server: Server, wanted: str) -> None:
    answer = ask(gpu_server, f"/api/snapshot?gpu={wanted}")
    assert answer.status == 404
    uuids = [gpu["uuid"] for gpu in ask(gpu_server, "/api/snapshot").content["gpus"]]
    assert all(uuid in answer.content["error"] for uuid in uuids)


def test_snapshot_without_a_provider_has_the_host_and_no_gpu(bare_server: Server) -> None:
    answer = ask(bare_server, "/api/snapshot")
    assert answer.status == 200
    assert (answer.content["gpus"], answer.content["sampled_at"], answer.content["stale"]) == ([], None, False)
    assert answer.content["system"]["cpu_count"] >= 1
    unknown = ask(bare_server, "/api/snapshot?gpu=0")
    assert unknown.status == 404
    assert "Known GPUs, by index and UUID: none." in unknown.content["error"]


# ── Errors ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("path", ["/api", "/api/", "/api/health/", "/api/nothing/here", "/api/%00", "/api/a%0ab"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_unknown_address_is_404_in_json(gpu_server: Server, path: str, method: str) -> None:
    answer = ask(gpu_server, path, method)
    assert answer.status == 404
    assert set(answer.content) == {"error"}
    assert "Unknown endpoint /api" in answer.content["error"]


@pytest.mark.parametrize("path", ENDPOINTS)
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "BREW"])
def test_writing_method_is_405_in_json_and_the_allowed_ones_are_named(
    gpu_server: Server, path: str, method: str
) -> None:
    answer = ask(gpu_server, path, method)
    assert answer.status == 405
    assert answer.headers["Allow"] == "GET, HEAD"
    assert path in answer.content["error"]


@pytest.mark.parametrize(
    ("path", "host", "told"),
    [
        ("/api/snapshot", "evil.example", "GPU_MONITOR_ALLOWED_HOSTS"),
        ("/api/snapshot?" + "a=1&" * 2000, "127.0.0.1", "number of GET/POST parameters"),
    ],
)
def test_bad_request_is_400_in_json(gpu_server: Server, path: str, host: str, told: str) -> None:
    answer = ask(gpu_server, path, Host=host)
    assert answer.status == 400
    assert told in answer.content["error"]


@pytest.mark.parametrize("path", ENDPOINTS)
def test_head_is_answered_like_get_without_the_body(gpu_server: Server, path: str) -> None:
    with closing(http.client.HTTPConnection("127.0.0.1", gpu_server.port, timeout=40)) as connection:
        connection.request("HEAD", path)
        response = connection.getresponse()
        assert (response.status, response.read()) == (200, b"")


@pytest.mark.parametrize("path", ["/api/health", "/api/config", "/api/snapshot"])
def test_changing_responses_are_not_cached(gpu_server: Server, path: str) -> None:
    assert "no-store" in ask(gpu_server, path).headers["Cache-Control"]
