"""Settings from the admin: overridden by environment and `.env`, above the defaults, with the same validation."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.config.declarations import PREFIX, setting
from monitor.config.loading import load_config
from monitor.config.model import Config
from monitor.config.overrides import layered
from monitor.config.values import AbsolutePath


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.upper().startswith(PREFIX)]:
        monkeypatch.delenv(name)


def startup(**variables: str) -> Config:
    with pytest.MonkeyPatch.context() as monkeypatch:
        for name, value in variables.items():
            monkeypatch.setenv(PREFIX + name, value)
        return load_config((Path("no such .env"),))


class WithoutHome(Config):
    """The settings of an installed wheel, for a user without a home."""

    data_dir: AbsolutePath = setting(Path("~no-such-user/.local/share/gpumon"), "The data folder.", group="Server")


def test_value_from_the_admin_replaces_the_default_and_has_its_source() -> None:
    config, refused = layered(startup(), {"poll_interval_ms": 250, "log_level": None, "show_commands": ""})
    assert (config.poll_interval_ms, config.source_of("poll_interval_ms")) == (250, "admin")
    assert (config.log_level, config.source_of("log_level")) == ("INFO", "default")
    assert config.source_of("show_commands") == "default"
    assert refused == {}
    listed = {setting.name: setting for setting in config.settings_in_force(shows_internal=True)}
    assert listed["GPU_MONITOR_POLL_INTERVAL_MS"][1:3] == (250, "admin")


def test_environment_and_env_file_override_the_admin(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("GPU_MONITOR_WS_MAX_RATE_HZ=7\n")
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setenv("GPU_MONITOR_POLL_INTERVAL_MS", "300")
        given = load_config((tmp_path / ".env",))
    config, refused = layered(given, {"poll_interval_ms": 250, "ws_max_rate_hz": 20, "log_level": "debug"})
    assert (config.poll_interval_ms, config.ws_max_rate_hz, config.log_level) == (300, 7, "DEBUG")
    assert (config.source_of("poll_interval_ms"), config.source_of("ws_max_rate_hz")) == ("environment", ".env")
    assert refused == {}


def test_invalid_value_in_the_admin_is_ignored_where_the_environment_sets_one() -> None:
    assert layered(startup(POLL_INTERVAL_MS="300"), {"poll_interval_ms": 1})[1] == {}


def test_values_from_the_admin_do_not_change_the_startup_settings() -> None:
    given = startup()
    layered(given, {"poll_interval_ms": 250})
    assert (given.poll_interval_ms, given.source_of("poll_interval_ms")) == (1000, "default")


def test_settings_of_the_admin_work_for_a_user_without_a_home(monkeypatch: pytest.MonkeyPatch) -> None:
    """An arbitrary user in a container, with gpumon from a wheel: the default data folder is in a home."""
    monkeypatch.setenv(f"{PREFIX}DATA_DIR", "/data")
    given = load_config((Path("no such .env"),), WithoutHome)
    config, refused = layered(given, {"poll_interval_ms": 250})
    assert (config.poll_interval_ms, config.data_dir, refused) == (250, Path("/data"), {})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("poll_interval_ms", "50"),
        ("poll_interval_ms", "1000.5"),
        ("ws_max_rate_hz", "fast"),
        ("log_level", "loud"),
        ("enable_system_metrics", "2"),
        ("telemetry_provider", "rocm"),
        ("telemetry_provider", "replay"),
        ("let_gpus_sleep", "maybe"),
        ("show_commands", "some"),
        ("idle_held_memory_mib", "0"),
        ("idle_held_utilization_percent", "101"),
        ("idle_held_minutes", "1441"),
        ("alert_retention_days", "0"),
    ],
)
def test_invalid_value_is_refused_with_the_environments_message_and_the_others_apply(name: str, value: str) -> None:
    with pytest.raises(SystemExit) as ended:
        startup(**{name.upper(): value})
    other = {"idle_held_minutes": 10} if name != "idle_held_minutes" else {"ws_max_rate_hz": 10}
    config, refused = layered(startup(), {name: value, **other})
    assert str(ended.value).removesuffix(" (set in the environment)") == f"gpumon: {refused[name]}"
    assert config.source_of(name) == "default"
    assert {other: getattr(config, other) for other in other} == other


def test_replay_is_accepted_where_the_environment_names_a_recording(tmp_path: Path) -> None:
    (tmp_path / "recording").touch()
    config, refused = layered(startup(REPLAY_FILE=str(tmp_path / "recording")), {"telemetry_provider": "replay"})
    assert (config.telemetry_provider, refused) == ("replay", {})


def test_replay_is_the_only_value_refused_when_the_recording_is_deleted_after_the_start(tmp_path: Path) -> None:
    (tmp_path / "recording").touch()
    given = startup(REPLAY_FILE=str(tmp_path / "recording"))
    (tmp_path / "recording").unlink()
    config, refused = layered(given, {"telemetry_provider": "replay", "poll_interval_ms": 250})
    assert config.poll_interval_ms == 250
    assert "No such file" in refused["telemetry_provider"]
    assert layered(given, {"poll_interval_ms": 250})[1] == {}


@given(text=st.one_of(st.text(max_size=300), st.binary(max_size=20), st.integers(), st.floats(), st.none()))
def test_any_value_in_every_setting_is_accepted_or_refused_in_one_printable_line(text: object) -> None:
    config, refused = layered(startup(), dict.fromkeys(Config.set_in_admin(), text))
    assert all(words.isprintable() for words in refused.values())
    assert all(getattr(config, name) == Config.model_fields[name].default for name in refused)
