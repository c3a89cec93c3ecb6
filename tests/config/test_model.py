"""Settings: their sources, the allowed values, and the abort of startup on an invalid one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.config.declarations import PREFIX
from monitor.config.loading import load_config
from monitor.config.model import Config, Setting
from monitor.config.paths import BASE_DIR
from tests.config.settings_file import load, refusal

pytestmark = pytest.mark.usefixtures("no_settings")


def test_defaults_are_the_documented_ones(env_file: Path) -> None:
    defaults = load_config((env_file,)).model_dump()
    assert defaults == defaults | {
        "poll_interval_ms": 1000,
        "ws_max_rate_hz": 5,
        "log_level": "INFO",
        "log_format": "text",
        "access_log": False,
        "enable_system_metrics": True,
        "telemetry_provider": None,
        "host": "127.0.0.1",
        "port": 5000,
        "data_dir": BASE_DIR / "data",
        "secret_key": None,
        "allowed_hosts": (),
        "csrf_trusted_origins": (),
        "trusted_proxies": (),
        "base_path": "",
        "public_url": None,
        "forbid_private_webhooks": False,
        "heartbeat_url": None,
        "auth": "auto",
        "anonymous_details": "auto",
        "admin_user": "admin",
        "admin_password": None,
        "admin_password_file": None,
        "remote_user_header": None,
        "tls": "auto",
        "max_sockets": 2000,
        "max_sockets_per_address": 100,
        "api_requests_per_minute": 1200,
        "static_dir": None,
        "debug": False,
        "sampler_timeout_ms": 5000,
        "let_gpus_sleep": "auto",
        "show_commands": "full",
        "simulated_gpus": 8,
        "replay_file": None,
        "replay_speed": 1.0,
        "idle_held_memory_mib": 1024,
        "idle_held_utilization_percent": 5,
        "idle_held_minutes": 30,
        "alert_retention_days": 90,
    }


def test_environment_overrides_the_file_and_the_file_the_default(
    env_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    env_file.write_text("GPU_MONITOR_PORT=6000\nGPU_MONITOR_POLL_INTERVAL_MS=300\n")
    config = load(env_file, monkeypatch, PORT="7000")
    assert (config.port, config.poll_interval_ms, config.ws_max_rate_hz) == (7000, 300, 5)


def test_settings_have_the_source_of_each_value(env_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    env_file.write_text("GPU_MONITOR_PORT=6000\nGPU_MONITOR_LOG_LEVEL=debug\n")
    listed = {
        setting.name: setting
        for setting in load(env_file, monkeypatch, PORT="7000").settings_in_force(shows_internal=True)
    }
    assert listed["GPU_MONITOR_PORT"] == Setting("GPU_MONITOR_PORT", 7000, "environment", is_secret=False)
    assert listed["GPU_MONITOR_LOG_LEVEL"] == Setting("GPU_MONITOR_LOG_LEVEL", "DEBUG", ".env", is_secret=False)
    assert listed["GPU_MONITOR_HOST"] == Setting("GPU_MONITOR_HOST", "127.0.0.1", "default", is_secret=False)
    assert sorted(listed) == sorted(PREFIX + name.upper() for name in Config.model_fields)


def test_a_secret_is_listed_without_its_value(env_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = "correct-horse-battery-staple-and-more"
    config = load(env_file, monkeypatch, SECRET_KEY=secret)
    assert Setting("GPU_MONITOR_SECRET_KEY", None, "environment", is_secret=True) in config.settings_in_force(
        shows_internal=True
    )
    assert secret not in repr(config)
    assert secret not in str(config.settings_in_force(shows_internal=True))


def test_an_empty_value_counts_as_not_set(env_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    env_file.write_text("GPU_MONITOR_PORT=6000\nGPU_MONITOR_TELEMETRY_PROVIDER=\n")
    config = load(env_file, monkeypatch, PORT="", HOST="")
    assert (config.port, config.host, config.telemetry_provider) == (6000, "127.0.0.1", None)


@pytest.mark.parametrize(
    ("written", "meant"),
    [("nvidia-smi", "nvidia_smi"), ("nvidia_smi", "nvidia_smi"), ("NVTOP", "nvtop"), ("auto", None), ("null", None)],
)
def test_provider_names_are_accepted_in_common_spellings(
    env_file: Path, monkeypatch: pytest.MonkeyPatch, written: str, meant: str | None
) -> None:
    assert load(env_file, monkeypatch, TELEMETRY_PROVIDER=written).telemetry_provider == meant


@pytest.mark.parametrize("address", ["{user}@example.org", "gpu+{user}@mail.example.org", "{user}@localhost"])
def test_address_of_reports_has_a_place_for_the_user(
    env_file: Path, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    assert load(env_file, monkeypatch, REPORT_ADDRESS=address).report_address == address


def test_lists_are_split_at_commas(env_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = load(
        env_file,
        monkeypatch,
        ALLOWED_HOSTS="gpu01, .example.com,[::1],*,",
        CSRF_TRUSTED_ORIGINS="https://gpu.example.com,http://10.0.0.7:8080",
    )
    assert config.allowed_hosts == ("gpu01", ".example.com", "[::1]", "*")
    assert config.csrf_trusted_origins == ("https://gpu.example.com", "http://10.0.0.7:8080")


REPORT_ADDRESS = "a mail address with {user} once before the @, such as {user}@example.org, up to 100 characters"


@pytest.mark.parametrize(
    ("name", "value", "takes"),
    [
        ("POLL_INTERVAL_MS", "50", "a whole number from 100 to 60000"),
        ("POLL_INTERVAL_MS", "60001", "a whole number from 100 to 60000"),
        ("POLL_INTERVAL_MS", "fast", "a whole number from 100 to 60000"),
        ("POLL_INTERVAL_MS", "1000.5", "a whole number from 100 to 60000"),
        ("WS_MAX_RATE_HZ", "0", "a whole number from 1 to 30"),
        ("PORT", "65536", "a whole number from 1 to 65535"),
        ("SAMPLER_TIMEOUT_MS", "-1", "a whole number from 500 to 60000"),
        ("SIMULATED_GPUS", "257", "a whole number from 1 to 256"),
        ("REPLAY_SPEED", "nan", "a number from 0 to 1000"),
        ("REPLAY_SPEED", "1001", "a number from 0 to 1000"),
        ("IDLE_HELD_MEMORY_MIB", "0", "a whole number from 1 to 524288"),
        ("LOG_LEVEL", "loud", "one of DEBUG, INFO, WARNING, ERROR, CRITICAL"),
        ("TELEMETRY_PROVIDER", "rocm", "one of pynvml, nvidia_smi, nvtop, simulated, replay"),
        ("LET_GPUS_SLEEP", "maybe", "one of auto, always, never"),
        ("SHOW_COMMANDS", "some", "one of full, name, none"),
        ("DEBUG", "perhaps", "true or false"),
        ("ENABLE_SYSTEM_METRICS", "2", "true or false"),
        ("HOST", "http://gpu01", "an address of this host or a host name, such as 127.0.0.1 or 0.0.0.0"),
        ("PUBLIC_URL", "gpu.example.com", "a URL that a browser can open, such as https://gpu.example.com/gpus/"),
        ("PUBLIC_URL", "https://me:word@gpu", "a URL that a browser can open, such as https://gpu.example.com/gpus/"),
        ("REPORT_ADDRESS", "ana@example.org", REPORT_ADDRESS),
        ("REPORT_ADDRESS", "{user}@{user}.org", REPORT_ADDRESS),
        ("REPORT_ADDRESS", "{user}@a.org,b@a.org", REPORT_ADDRESS),
        ("DATA_DIR", "~no-such-user/data", "a path, and the home folder at its beginning is unknown"),
        ("REPLAY_FILE", "/nowhere/at/all", "the path of an existing recording: No such file or directory"),
    ],
)
def test_invalid_value_is_refused_with_variable_value_and_range(
    env_file: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str, takes: str
) -> None:
    line = refusal(env_file, monkeypatch, **{name: value})
    assert line == f"gpumon: GPU_MONITOR_{name}={value} is invalid: must be {takes} (set in the environment)"


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (
            {"BASE_PATH": "/gpus", "PUBLIC_URL": "https://a/other"},
            "PUBLIC_URL=https://a/other is invalid: must be a URL with the path /gpus/",
        ),
        (
            {"TLS": "on", "PUBLIC_URL": "http://a/"},
            "TLS=on is invalid: must be auto or off, because GPU_MONITOR_PUBLIC_URL",
        ),
        (
            {"TRUSTED_PROXIES": "10.0.0.1", "REMOTE_USER_HEADER": "X-Forwarded-For"},
            "REMOTE_USER_HEADER=X-Forwarded-For is invalid: must be a header that contains nothing but a username",
        ),
    ],
)
def test_contradiction_is_refused(
    env_file: Path, monkeypatch: pytest.MonkeyPatch, values: dict[str, str], words: str
) -> None:
    assert words in refusal(env_file, monkeypatch, **values)


def test_refusal_names_the_file_of_the_value(env_file: Path) -> None:
    env_file.write_text("GPU_MONITOR_PORT=0\n")
    with pytest.raises(SystemExit, match=r"GPU_MONITOR_PORT=0 is invalid: .* \(set in \.env\)"):
        load_config((env_file,))


def test_two_invalid_values_are_reported_in_one_line(env_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    line = refusal(env_file, monkeypatch, PORT="0", LOG_LEVEL="loud")
    assert "GPU_MONITOR_PORT=0" in line
    assert "GPU_MONITOR_LOG_LEVEL=loud" in line
    assert "\n" not in line


def test_invalid_secret_is_refused_without_being_shown(env_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    line = refusal(env_file, monkeypatch, SECRET_KEY="hunter2")
    assert "GPU_MONITOR_SECRET_KEY" in line
    assert "at least 32 characters" in line
    assert "hunter2" not in line


@pytest.mark.parametrize(
    "url",
    [
        "hc-ping.com/S3CRET",
        "ftp://h/S3CRET",
        "http:///S3CRET",
        "http://h:x/S3CRET",
        "http://h/S3 CRET",
        "http://h/S3\udcff",
    ],
)
def test_heartbeat_needs_a_web_address_and_shows_none(
    env_file: Path, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    line = refusal(env_file, monkeypatch, HEARTBEAT_URL=url)
    assert "GPU_MONITOR_HEARTBEAT_URL=(not shown) is invalid: must be an http or https URL" in line
    assert "S3" not in line


def test_replay_without_a_recording_is_refused(env_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    line = refusal(env_file, monkeypatch, TELEMETRY_PROVIDER="replay")
    assert line.startswith("gpumon: GPU_MONITOR_REPLAY_FILE is not set: must be the path of a recording")


def test_replay_with_an_existing_recording_is_accepted(
    env_file: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    recording = tmp_path / "recording"
    recording.touch()
    config = load(env_file, monkeypatch, TELEMETRY_PROVIDER="replay", REPLAY_FILE=str(recording))
    assert config.replay_file == recording


def test_misspelt_name_is_reported_with_the_nearest_known_one(
    env_file: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    env_file.write_text("GPU_MONITOR_LOGLEVEL=DEBUG\n")
    load(env_file, monkeypatch, POL_INTERVAL="3", ZZZ="1")
    assert caplog.messages == [
        "gpumon: GPU_MONITOR_LOGLEVEL is not a setting; did you mean GPU_MONITOR_LOG_LEVEL?",
        "gpumon: GPU_MONITOR_POL_INTERVAL is not a setting; did you mean GPU_MONITOR_POLL_INTERVAL_MS?",
        "gpumon: GPU_MONITOR_ZZZ is not a setting; docs/configuration.md lists them all",
    ]


def test_file_that_is_not_text_aborts_startup_with_one_line(env_file: Path) -> None:
    env_file.write_bytes(b"GPU_MONITOR_PORT=\xff\n")
    with pytest.raises(SystemExit, match=rf"^gpumon: cannot read the settings in {env_file}: not UTF-8 \(.*\)$"):
        load_config((env_file,))


def test_unreadable_file_aborts_startup_with_one_line(tmp_path: Path) -> None:
    """Root can read every file, but not one whose name is too long."""
    with pytest.raises(SystemExit, match=r"^gpumon: cannot read the settings in .*: File name too long$"):
        load_config((tmp_path / ("x" * 300),))


def test_folder_and_missing_file_are_ignored(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert load_config((tmp_path, tmp_path / "none", tmp_path / "file" / ".env")).port == 5000


def test_line_that_sets_nothing_is_reported_once(env_file: Path, caplog: pytest.LogCaptureFixture) -> None:
    env_file.write_text('GPU_MONITOR_PORT=6000\n=hunter2\n\nGPU_MONITOR_WS_MAX_RATE_HZ="3\n')
    assert load_config((env_file,)).port == 6000
    assert caplog.messages == [f"gpumon: line {number} of {env_file} is not NAME=value; ignored" for number in (2, 4)]


@pytest.mark.slow
def test_warnings_before_the_log_is_configured_have_its_format(tmp_path: Path) -> None:
    variables = {"GPU_MONITOR_PROT": "1", "GPU_MONITOR_LOG_FORMAT": "json", "GPU_MONITOR_DATA_DIR": str(tmp_path)}
    ended = subprocess.run(
        [sys.executable, "manage.py", "check"],
        cwd=BASE_DIR,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=True,
    )
    (line,) = ended.stderr.splitlines()
    assert json.loads(line)["message"] == "gpumon: GPU_MONITOR_PROT is not a setting; did you mean GPU_MONITOR_PORT?"


@given(text=st.text(st.characters(blacklist_categories=("Cs",), blacklist_characters="\0"), min_size=1, max_size=300))
def test_any_text_for_any_setting_is_accepted_or_refused_in_one_printable_line(text: str) -> None:
    with pytest.MonkeyPatch.context() as monkeypatch:
        for name in Config.model_fields:
            monkeypatch.setenv(PREFIX + name.upper(), text)
        line = refusal(Path("no such .env"), monkeypatch)
    assert line.isprintable()


@pytest.mark.parametrize(
    "command",
    [
        pytest.param(["manage.py", "check"], id="manage.py"),
        pytest.param(["-m", "daphne", "gpumon_site.asgi:application"], id="daphne"),
        pytest.param(["-m", "pytest", "tests/config/test_hosts.py", "-q"], id="pytest"),
    ],
)
@pytest.mark.slow
def test_invalid_value_ends_every_start_command_with_only_that_line(command: list[str], tmp_path: Path) -> None:
    variables = {"GPU_MONITOR_POLL_INTERVAL_MS": "50", "GPU_MONITOR_DATA_DIR": str(tmp_path)}
    ended = subprocess.run(
        [sys.executable, *command],
        cwd=BASE_DIR,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode != 0
    assert ended.stderr == (
        "gpumon: GPU_MONITOR_POLL_INTERVAL_MS=50 is invalid: must be a whole number from 100 to 60000 "
        "(set in the environment)\n"
    )
