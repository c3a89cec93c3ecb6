"""The sampler is told what the settings say."""

from __future__ import annotations

from pathlib import Path

from gpumon_site.config import Config
from monitor.telemetry.providers.base import Options
from monitor.web.current import options_of


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
