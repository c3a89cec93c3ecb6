"""The real server, from outside, on a fake driver that hangs, crashes and recovers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.fakes.fake_driver import FakeDriver
from tests.support.servers import Server, wait_for

pytestmark = pytest.mark.slow


@pytest.fixture
def server(tmp_path: Path, fake_driver: FakeDriver) -> Iterator[Server]:
    fake_driver.set(gpus=2)
    # An empty PATH hides the providers of the host that runs the test.
    environment = {**fake_driver.env, "PATH": "/nonexistent"}
    server = Server(tmp_path, environment, poll_interval_ms=100, sampler_timeout_ms=500).start()
    wait_for(lambda: is_fresh(server), "the first reading")
    yield server
    server.stop()


def snapshot(server: Server) -> dict[str, Any]:
    answer: dict[str, Any] = server.json("/api/snapshot")
    return answer


def is_fresh(server: Server) -> bool:
    return server.get("/api/health")[0] == 200


def test_hanging_driver_makes_readings_stale_until_it_responds(server: Server, fake_driver: FakeDriver) -> None:
    fake_driver.set({"hang.nvmlDeviceGetUtilizationRates": 1})
    stale = wait_for(lambda: (now := snapshot(server))["stale"] and now, "stale snapshots")
    assert "has not answered" in stale["stale_reason"]
    assert len(stale["gpus"]) == 2
    later = wait_for(lambda: (now := snapshot(server))["seq"] > stale["seq"] + 3 and now, "snapshots to go on")
    assert later["stale"]
    assert later["system"]["uptime_seconds"] > stale["system"]["uptime_seconds"]
    assert server.get("/api/health")[0] == 503
    assert server.get("/")[0] == 200
    wait_for(lambda: server.health()["sampler_restarts"] >= 1, "another sampler")
    fake_driver.set({"hang.nvmlDeviceGetUtilizationRates": 0})
    wait_for(lambda: is_fresh(server), "readings to return")


def test_driver_hanging_from_the_start_does_not_block_the_server(tmp_path: Path, fake_driver: FakeDriver) -> None:
    fake_driver.set({"hang.nvmlInitWithFlags": 1})
    server = Server(tmp_path, fake_driver.env, poll_interval_ms=100, sampler_timeout_ms=500).start()
    try:
        assert server.get("/")[0] == 200
        health = wait_for(
            lambda: (now := server.health())["reason"] and "since the start" in now["reason"] and now, "the reason"
        )
        assert health["status"] == "down"
        fake_driver.set({"hang.nvmlInitWithFlags": 0})
        wait_for(lambda: is_fresh(server), "readings")
    finally:
        server.stop()


def test_server_recovers_from_a_crash_of_the_library(server: Server, fake_driver: FakeDriver) -> None:
    fake_driver.set({"crash.nvmlDeviceGetTemperature": 1})
    wait_for(lambda: server.health()["sampler_restarts"] >= 1, "the crash")
    fake_driver.set({"crash.nvmlDeviceGetTemperature": 0})
    wait_for(lambda: is_fresh(server), "readings to return")


def test_lost_gpu_keeps_its_place_after_a_restart_of_the_sampler(server: Server, fake_driver: FakeDriver) -> None:
    uuids = [gpu["uuid"] for gpu in snapshot(server)["gpus"]]
    fake_driver.set({"gpu.0.lost": 1})
    wait_for(lambda: [gpu["state"] for gpu in snapshot(server)["gpus"]] == ["lost", "ok"], "the loss")
    pid = server.health()["sampler_pid"]
    psutil.Process(pid).kill()
    wait_for(lambda: is_fresh(server) is False and server.health()["sampler_pid"] not in (None, pid), "a fresh sampler")
    health = wait_for(lambda: (now := server.health())["status"] == "degraded" and now, "readings of the other")
    assert "GPU 0 is lost" in health["reason"]
    gpus = snapshot(server)["gpus"]
    assert [gpu["uuid"] for gpu in gpus] == uuids
    assert gpus[0]["memory_total_bytes"] is not None
    assert gpus[0]["since"] is not None
    assert "Lost <time" in server.get("/")[1]


def test_upgraded_driver_is_reported_with_cause_and_fix(server: Server, fake_driver: FakeDriver) -> None:
    fake_driver.set({"all": 18}, init=18)
    health = wait_for(
        lambda: (now := server.health())["status"] == "down" and now["providers"][0]["reason"] and now, "the reason"
    )
    assert "different versions" in health["providers"][0]["reason"]
    assert "Reboot" in health["providers"][0]["fix"]
    assert snapshot(server)["stale"]
    assert len(snapshot(server)["gpus"]) == 2


@pytest.mark.parametrize("function", ["nvmlDeviceGetUtilizationRates", "nvmlInitWithFlags"])
def test_sigterm_stops_server_and_sampler_while_the_driver_hangs(
    tmp_path: Path, fake_driver: FakeDriver, function: str
) -> None:
    fake_driver.set({f"hang.{function}": 1})
    server = Server(tmp_path, fake_driver.env, poll_interval_ms=100, sampler_timeout_ms=60_000).start()
    pid = wait_for(lambda: server.health()["sampler_pid"], "the sampler")
    wait_for(lambda: fake_driver.calls().get(function), "the sampler to be inside the driver")
    server.stop()
    wait_for(lambda: not psutil.pid_exists(pid), "the sampler to be gone")
