"""Sampler, hub, log and pages are told what the settings say, and again when they change."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from monitor.config.model import Config
from monitor.logs.level import SERVER_PARTS
from monitor.models import SiteSettings
from monitor.runtime import process as current
from monitor.runtime.process import options_of
from monitor.telemetry.gpu_use import IDLE_BY_DEFAULT, IdleLimits
from monitor.telemetry.options import Options


def config(**values: object) -> Config:
    """Settings of these values alone, whatever `.env` and the environment say."""
    return Config.model_construct(**{name: field.default for name, field in Config.model_fields.items()} | values)


def test_the_settings_defaults_are_the_samplers() -> None:
    assert options_of(config()) == Options()


def test_every_setting_of_the_readings_reaches_the_sampler(tmp_path: Path) -> None:
    given = config(
        poll_interval_ms=250,
        telemetry_provider="replay",
        simulated_gpus=64,
        replay_file=tmp_path / "recording.jsonl",
        replay_speed=2.5,
        let_gpus_sleep="never",
        show_commands="name",
    )
    assert options_of(given) == Options(
        interval_seconds=0.25,
        provider="replay",
        simulated_gpus=64,
        replay_file=str(tmp_path / "recording.jsonl"),
        replay_speed=2.5,
        let_gpus_sleep="never",
        show_commands="name",
    )


@pytest.fixture
def process(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """This process as one that serves, with the defaults, before its start."""
    caches = (current._in_force, current.live, current.alerting)
    loggers = [logging.getLogger(name) for name in ("", *SERVER_PARTS)]
    levels = [logger.level for logger in loggers]
    monkeypatch.setattr("django.conf.settings.GPU_MONITOR", config())
    for cache in caches:
        cache.cache_clear()
    yield
    for cache in caches:
        cache.cache_clear()
    for logger, level in zip(loggers, levels, strict=True):
        logger.setLevel(level)


@pytest.mark.django_db
@pytest.mark.usefixtures("process")
def test_what_is_set_in_the_admin_is_applied_to_sampler_hub_and_log() -> None:
    running = current.live()
    running.supervisor.set_watched(True)
    SiteSettings.objects.create(
        poll_interval_ms=250,
        telemetry_provider="simulated",
        show_commands="none",
        ws_max_rate_hz=20,
        log_level="DEBUG",
        enable_system_metrics=False,
    )
    assert current.apply_settings()
    assert running.supervisor.options == Options(
        interval_seconds=0.25, provider="simulated", show_commands="none", log_level="DEBUG", is_watched=True
    )
    assert running.hub._shortest == 1 / 20
    assert running.supervisor._system is None
    assert logging.getLogger().level == logging.DEBUG
    assert logging.getLogger("daphne").level == logging.DEBUG
    assert current.config().poll_interval_ms == 250
    assert not current.apply_settings()
    SiteSettings.objects.all().delete()
    assert current.apply_settings()
    assert running.supervisor.options == Options(is_watched=True)
    assert running.supervisor._system is not None
    assert logging.getLogger("daphne").level == logging.WARNING


@pytest.mark.django_db
@pytest.mark.usefixtures("process")
def test_from_where_on_a_gpu_is_held_follows_the_settings() -> None:
    assert current.idle_limits() == IDLE_BY_DEFAULT
    SiteSettings.objects.create(idle_held_memory_mib=512, idle_held_utilization_percent=10)
    current.read_config()
    assert current.idle_limits() == IdleLimits(memory_bytes=512 << 20, utilization_percent=10.0)
