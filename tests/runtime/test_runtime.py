"""The runtime: the settings it passes to sampler, hub, log and pages, and the one line that adds a stage."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from django.test import Client

from monitor.config.sampling import sampler_options
from monitor.logs.config import SERVER_PARTS
from monitor.models import AlertState, SeenGpu, SiteSettings
from monitor.runtime.process import runtime, set_runtime
from monitor.runtime.runtime import Runtime
from monitor.telemetry.gpu_use import IDLE_BY_DEFAULT, IdleLimits
from monitor.telemetry.options import Options
from monitor.telemetry.schema import Snapshot
from tests.support.hot_rule import hot
from tests.support.runtimes import current_runtime, default_config
from tests.support.servers import wait_for


def test_defaults_of_the_settings_equal_the_samplers() -> None:
    assert sampler_options(default_config()) == Options()


def test_every_telemetry_setting_reaches_the_sampler(tmp_path: Path) -> None:
    given = default_config(
        poll_interval_ms=250,
        telemetry_provider="replay",
        simulated_gpus=64,
        replay_file=tmp_path / "recording.jsonl",
        replay_speed=2.5,
        let_gpus_sleep="never",
        show_commands="name",
    )
    assert sampler_options(given) == Options(
        interval_seconds=0.25,
        provider="replay",
        simulated_gpus=64,
        replay_file=str(tmp_path / "recording.jsonl"),
        replay_speed=2.5,
        let_gpus_sleep="never",
        show_commands="name",
    )


@pytest.fixture
def log_levels() -> Iterator[None]:
    """Restores the log levels after the test."""
    loggers = [logging.getLogger(name) for name in ("", *SERVER_PARTS)]
    levels = [logger.level for logger in loggers]
    yield
    for logger, level in zip(loggers, levels, strict=True):
        logger.setLevel(level)


@pytest.mark.django_db
@pytest.mark.usefixtures("log_levels")
def test_settings_from_the_admin_apply_to_sampler_hub_and_log(monkeypatch: pytest.MonkeyPatch) -> None:
    rates: list[float] = []
    made = Runtime(default_config())
    monkeypatch.setattr(made.hub, "set_max_rate", rates.append)
    made.supervisor.set_watched(True)
    SiteSettings.objects.create(
        overrides={
            "poll_interval_ms": 250,
            "telemetry_provider": "simulated",
            "show_commands": "none",
            "ws_max_rate_hz": 20,
            "log_level": "DEBUG",
            "enable_system_metrics": False,
        }
    )
    assert made.apply_settings()
    assert made.supervisor.options == Options(
        interval_seconds=0.25, provider="simulated", show_commands="none", log_level="DEBUG", is_watched=True
    )
    assert logging.getLogger().level == logging.DEBUG
    assert logging.getLogger("daphne").level == logging.DEBUG
    assert made.config.poll_interval_ms == 250
    assert not made.apply_settings()
    SiteSettings.objects.all().delete()
    assert made.apply_settings()
    assert made.supervisor.options == Options(is_watched=True)
    assert rates == [20, default_config().ws_max_rate_hz]
    assert logging.getLogger("daphne").level == logging.WARNING


@pytest.mark.django_db
def test_idle_limits_follow_the_settings() -> None:
    made = Runtime(default_config())
    assert made.idle_limits() == IDLE_BY_DEFAULT
    SiteSettings.objects.create(overrides={"idle_held_memory_mib": 512, "idle_held_utilization_percent": 10})
    made.settings.look()
    assert made.idle_limits() == IdleLimits(memory_bytes=512 << 20, utilization_percent=10.0)


class Counting:
    """A minimal stage."""

    name = "counting"
    problem: str | None = None

    def __init__(self) -> None:
        self.taken: list[Snapshot] = []
        self.calls: list[str] = []

    def start(self) -> None:
        self.calls.append("start")

    def take(self, snapshot: Snapshot) -> None:
        self.taken.append(snapshot)

    def stop(self) -> None:
        self.calls.append("stop")


SIMULATED = {"telemetry_provider": "simulated", "simulated_gpus": 2, "poll_interval_ms": 100}


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("log_levels")
def test_stage_is_added_with_one_line_and_its_problem_is_in_health(client: Client) -> None:
    counting = Counting()
    with current_runtime(default_config(**SIMULATED), stages=[counting]) as made:
        made.start()
        wait_for(lambda: any(each.sampled_at for each in counting.taken), "a reading in the new stage")
        assert [gpu.index for gpu in counting.taken[-1].gpus] == [0, 1]
        assert client.get("/api/health").json()["status"] == "ok"
        counting.problem = "the disk is full"
        health = client.get("/api/health").json()
        assert (health["status"], health["reason"]) == ("degraded", "Counting: the disk is full")
        assert (health["problems"], health["alerts_problem"]) == ({"counting": "the disk is full"}, None)
    assert counting.calls == ["start", "stop"]


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("log_levels")
def test_the_admins_settings_are_in_effect_before_the_first_reading() -> None:
    SiteSettings.objects.create(overrides={"telemetry_provider": "simulated", "enable_system_metrics": False})
    counting = Counting()
    made = Runtime(default_config(poll_interval_ms=100, simulated_gpus=3), stages=[counting])
    made.start()
    try:
        wait_for(lambda: any(each.sampled_at for each in counting.taken), "the first reading")
    finally:
        made.stop()
    assert {each.provider for each in counting.taken if each.sampled_at} == {"simulated"}
    assert {each.system for each in counting.taken} == {None}


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("log_levels")
def test_shutdown_saves_alerts_and_ends_the_threads_and_the_sampler() -> None:
    hot(for_seconds=10_000, threshold=-300)
    before = set(threading.enumerate())
    made = Runtime(default_config(**SIMULATED))
    made.start()
    made.start()
    wait_for(lambda: (made.hub.latest and made.hub.latest.sampled_at) or None, "the first reading")
    wait_for(SeenGpu.objects.exists, "the reading to be judged")
    sampler = made.supervisor.status.sampler_pid
    assert sampler is not None
    made.stop()
    made.stop()
    assert not psutil.pid_exists(sampler)
    # Nobody waits for that of the data folder: a network file system can hang.
    wait_for(lambda: set(threading.enumerate()) <= before, "its threads to end")
    assert AlertState.objects.filter(state__phase="pending").exists()
    assert not made.is_running


def test_first_use_creates_an_unstarted_runtime_and_a_test_can_replace_it() -> None:
    set_runtime(None)
    usual = runtime()
    assert runtime() is usual
    assert not usual.is_running
    with current_runtime() as own:
        assert runtime() is own
    assert runtime() is not usual


@pytest.mark.slow
def test_clocks_are_arguments() -> None:
    """Snapshots have the time of the given clock."""
    counting = Counting()
    made = Runtime(default_config(**SIMULATED), stages=[counting], clock=lambda: time.time() - 1000.0)
    made.start()
    try:
        wait_for(lambda: counting.taken, "a snapshot")
    finally:
        made.stop()
    assert counting.taken[0].time < time.time() - 900
