"""A setting needs one declaration; form, .env.example, documentation and /api/config are generated from it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest
from django.contrib.auth.models import User
from django.test import Client

from monitor.config.declarations import PREFIX, declarations, setting
from monitor.config.loading import load_config
from monitor.config.model import Config
from monitor.config.paths import BASE_DIR
from monitor.config.reference import documented, example_file, first_paragraph
from monitor.models import SiteSettings
from monitor.runtime.runtime import Runtime
from tests.support.runtimes import current_runtime

FORM = "/admin/monitor/sitesettings/1/change/"
REGENERATE = "run `make settings`"


class Extended(Config):
    """The settings of a version with five additional ones."""

    fan_curve: Literal["quiet", "cold"] = setting("quiet", "How the fans run.", group="Fans", admin_label="Fan curve")
    fan_floor_percent: int = setting(
        20, "The lowest fan speed, in percent.", group="Fans", ge=0, le=60, admin_label="Floor"
    )
    fan_note: str | None = setting(
        None, "A note about the `fans`.", group="Fans", default_text="no note", admin_label="Note"
    )
    fan_gain: float = setting(0.5, "The gain of the fans' control loop.", group="Fans", ge=0, le=2, admin_label="Gain")
    fan_port: str = setting("/dev/fan0", "The device of the fans.", group="Fans")


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.upper().startswith(PREFIX)]:
        monkeypatch.delenv(name)


@pytest.fixture
def extended(monkeypatch: pytest.MonkeyPatch) -> Iterator[Runtime]:
    """A runtime with the extended settings; the environment sets one of them."""
    monkeypatch.setenv(f"{PREFIX}FAN_GAIN", "1.5")
    config = load_config((), Extended)
    monkeypatch.setattr("django.conf.settings.GPU_MONITOR", config)
    with current_runtime(config) as runtime:
        yield runtime


@pytest.fixture
def root(db: None, static_root: Path, extended: Runtime) -> Client:
    """An administrator of that server."""
    client = Client()
    client.force_login(User.objects.create_superuser("root"))
    return client


def test_example_file_matches_the_model() -> None:
    assert (BASE_DIR / ".env.example").read_text() == example_file(Config), REGENERATE


def test_documentation_matches_the_model() -> None:
    text = (BASE_DIR / "docs" / "configuration.md").read_text()
    assert text == documented(text, Config), REGENERATE


def test_a_new_setting_is_in_the_example_file() -> None:
    new = example_file(Extended).removeprefix(example_file(Config))
    assert new == (
        "\n# --- Fans ---\n\n"
        "# How the fans run: quiet or cold.\n#GPU_MONITOR_FAN_CURVE=quiet\n\n"
        "# The lowest fan speed, in percent.\n#GPU_MONITOR_FAN_FLOOR_PERCENT=20\n\n"
        "# A note about the fans.\n#GPU_MONITOR_FAN_NOTE=\n\n"
        "# The gain of the fans' control loop.\n#GPU_MONITOR_FAN_GAIN=0.5\n\n"
        "# The device of the fans.\n#GPU_MONITOR_FAN_PORT=/dev/fan0\n"
    )


def test_every_line_of_the_example_file_sets_the_default(tmp_path: Path) -> None:
    """Uncommented, it changes only the source of the values."""
    lines = example_file(Config).replace("#GPU_MONITOR_", "GPU_MONITOR_")
    (tmp_path / ".env").write_text(lines)
    assert load_config((tmp_path / ".env",)).model_dump() == load_config(()).model_dump()


def test_new_setting_is_in_the_documentation_and_a_removed_one_is_not() -> None:
    text = (BASE_DIR / "docs" / "configuration.md").read_text()
    new = documented(text, Extended)
    assert new.removeprefix(text) == (
        "\n## Fans\n\n"
        "### GPU_MONITOR_FAN_CURVE\nHow the fans run: `quiet` or `cold`. Default `quiet`. In the admin: *Fan curve*.\n\n"
        "### GPU_MONITOR_FAN_FLOOR_PERCENT\n"
        "The lowest fan speed, in percent. Default 20, from 0 to 60. In the admin: *Floor*.\n\n"
        "### GPU_MONITOR_FAN_NOTE\nA note about the `fans`. Default: not set; no note. In the admin: *Note*.\n\n"
        "### GPU_MONITOR_FAN_GAIN\nThe gain of the fans' control loop. Default 0.5, from 0 to 2. In the admin: *Gain*.\n\n"
        "### GPU_MONITOR_FAN_PORT\nThe device of the fans. Default `/dev/fan0`.\n"
    )
    assert documented(new, Config) == text


def test_handwritten_text_below_a_setting_or_group_is_kept() -> None:
    old = documented("# Configuration\n\nIntroduction.\n", Extended)
    assert old.startswith("# Configuration\n\nIntroduction.\n\n## Readings\n\n### GPU_MONITOR_POLL_INTERVAL_MS\n")
    more = "By hand.\n\n- a list"
    edited = old.replace("## Fans\n", f"## Fans\n\n{more}\n").replace("`/dev/fan0`.\n", f"`/dev/fan0`.\n\n{more}\n")
    assert documented(edited, Extended) == edited
    stale = edited.replace("The device of the fans.", "Outdated.")
    assert documented(stale, Extended) == edited


@pytest.mark.parametrize("name", sorted(Config.model_fields))
def test_a_description_is_a_sentence_and_its_paragraph_names_default_and_range(name: str) -> None:
    declared = declarations(Config)[name]
    assert declared.description[0].isupper()
    assert declared.description.endswith(".")
    paragraph = first_paragraph(declared)
    assert "Default" in paragraph
    assert all(len(line) <= 130 for line in paragraph.splitlines())
    for bound in (declared.minimum, declared.maximum):
        assert bound is None or f"{bound:g}" in paragraph
    for choice in declared.choices:
        assert f"`{choice}`" in paragraph


def test_secrets_cannot_be_set_in_the_admin() -> None:
    declared = declarations(Config)
    assert [name for name in Config.set_in_admin() if declared[name].is_secret] == []
    assert {name for name, each in declared.items() if each.is_secret} == {
        "secret_key",
        "admin_password",
        "database_url",
        "heartbeat_url",
        "hub_code",
        "redis_url",
    }


def test_a_new_setting_is_in_the_form_with_its_group_label_description_range_and_default(root: Client) -> None:
    html = root.get(FORM).content.decode()
    assert ">Fans</h2>" in html
    for label, help_text in {
        "Fan curve": "How the fans run. Default: quiet.",
        "Floor": "The lowest fan speed, in percent. A whole number from 0 to 60. Leave empty for the default (20).",
        "Note": "A note about the fans. Default: no note.",
        "Gain": "The gain of the fans' control loop. Set in the environment by GPU_MONITOR_FAN_GAIN, so it cannot be "
        "changed here.",
    }.items():
        assert f">{label}:</label>" in html
        assert help_text in html
    assert 'name="fan_port"' not in html, "it has no label for the admin"


def test_a_new_setting_is_saved_in_the_form_without_a_migration_and_is_effective(
    root: Client, extended: Runtime
) -> None:
    values = {"fan_curve": "cold", "fan_floor_percent": "30", "fan_note": " loud ", "fan_gain": "2", "fan_port": "x"}
    assert root.post(FORM, values)["Location"] == FORM
    assert SiteSettings.objects.get().overrides == {"fan_curve": "cold", "fan_floor_percent": 30, "fan_note": "loud"}
    extended.settings.look()
    found = {each["name"]: each for each in root.get("/api/config").json()["settings"]}
    shown = {name: (found[PREFIX + name]["value"], found[PREFIX + name]["source"]) for name in FANS}
    assert shown == {
        "FAN_CURVE": ("cold", "admin"),
        "FAN_FLOOR_PERCENT": (30, "admin"),
        "FAN_NOTE": ("loud", "admin"),
        "FAN_GAIN": (1.5, "environment"),
        "FAN_PORT": ("/dev/fan0", "default"),
    }


FANS = [name.upper() for name in Extended.model_fields if name.startswith("fan_")]


def test_range_of_a_new_setting_applies_in_the_form_and_at_startup(
    root: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = "GPU_MONITOR_FAN_FLOOR_PERCENT=61 is invalid: must be a whole number from 0 to 60"
    assert words in root.post(FORM, {"fan_floor_percent": "61"}).content.decode()
    monkeypatch.setenv(f"{PREFIX}FAN_FLOOR_PERCENT", "61")
    with pytest.raises(SystemExit, match=words):
        load_config((), Extended)
