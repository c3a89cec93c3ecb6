"""The settings form: fields, validation, permissions and the log of changes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.test import Client

from monitor.admin.site_settings import help_of
from monitor.config.declarations import declarations
from monitor.config.loading import load_config
from monitor.config.model import Config
from monitor.models import SiteSettings
from tests.support.clients import holder_of
from tests.support.runtimes import current_runtime

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("static_root")]

FORM = "/admin/monitor/sitesettings/1/change/"


@pytest.fixture(autouse=True)
def fixed(monkeypatch: pytest.MonkeyPatch) -> Iterator[Config]:
    """This process with only a broadcast rate from the environment. Saved settings are not applied."""
    for name in Config.model_fields:
        monkeypatch.delenv(f"GPU_MONITOR_{name.upper()}", raising=False)
    monkeypatch.setenv("GPU_MONITOR_WS_MAX_RATE_HZ", "7")
    config = load_config(())
    monkeypatch.setattr("django.conf.settings.GPU_MONITOR", config)
    with current_runtime(config):
        yield config


def page(client: Client) -> str:
    answer = client.get(FORM)
    assert answer.status_code == 200
    return answer.content.decode()


def test_list_redirects_to_the_only_form(root: Client) -> None:
    assert root.get("/admin/monitor/sitesettings/")["Location"] == FORM


def test_settings_have_one_row_that_cannot_be_added_or_deleted(root: Client) -> None:
    assert root.get("/admin/monitor/sitesettings/add/").status_code == 403
    assert root.post("/admin/monitor/sitesettings/1/delete/", {"post": "yes"}).status_code == 403
    assert root.get(FORM.replace("1", "2")).status_code == 302
    assert SiteSettings.objects.count() == 0


def test_viewing_writes_nothing(root: Client) -> None:
    page(root)
    assert not SiteSettings.objects.exists()


def test_every_setting_is_on_the_page_with_its_range_and_default(root: Client, fixed: Config) -> None:
    html = page(root)
    for name in Config.set_in_admin():
        assert f'name="{name}"' in html
    assert "in milliseconds. A whole number from 100 to 60000. Leave empty for the default (1000)." in html
    assert help_of(declarations(Config)["show_commands"], fixed).endswith("Default: full.")


def test_values_are_stored_in_config_types_and_empty_ones_are_omitted(root: Client) -> None:
    given = {"poll_interval_ms": " 250 ", "enable_system_metrics": "False", "telemetry_provider": "nvidia-smi"}
    assert root.post(FORM, given)["Location"] == FORM
    assert SiteSettings.objects.get().overrides == {
        "poll_interval_ms": 250,
        "enable_system_metrics": False,
        "telemetry_provider": "nvidia_smi",
    }
    root.post(FORM, {})
    assert SiteSettings.objects.get().overrides == {}


def test_fixed_value_names_its_source_and_cannot_be_changed(root: Client) -> None:
    html = page(root)
    assert "Set in the environment by GPU_MONITOR_WS_MAX_RATE_HZ, so it cannot be changed here." in html
    field = re.search(r'<input[^>]*name="ws_max_rate_hz"[^>]*>', html)
    assert field is not None
    assert "disabled" in field.group()
    assert 'value="7"' in field.group()
    SiteSettings.objects.create(overrides={"ws_max_rate_hz": 12})
    assert root.post(FORM, {"ws_max_rate_hz": "20", "poll_interval_ms": "300"}).status_code == 302
    assert SiteSettings.objects.get().overrides == {"ws_max_rate_hz": 12, "poll_interval_ms": 300}


@pytest.mark.parametrize(
    "stored", [[1], "text", None, {"poll_interval_ms": {"of": "another kind"}, "of_another_version": 1}]
)
def test_row_written_outside_the_admin_can_be_edited(root: Client, stored: object) -> None:
    SiteSettings.objects.create(overrides={})
    with connection.cursor() as cursor:
        cursor.execute("UPDATE monitor_sitesettings SET overrides = %s", [json.dumps(stored)])
    page(root)
    assert root.post(FORM, {"poll_interval_ms": "300"}).status_code == 302
    kept = {"of_another_version": 1} if isinstance(stored, dict) else {}
    assert SiteSettings.objects.get().overrides == {**kept, "poll_interval_ms": 300}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("poll_interval_ms", "50"),
        ("poll_interval_ms", "fast"),
        ("log_level", "loud"),
        ("telemetry_provider", "replay"),
        ("enable_system_metrics", "perhaps"),
        ("alert_retention_days", "1e3"),
    ],
)
def test_invalid_value_is_refused_with_the_message_used_for_the_environment(
    root: Client, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    answer = root.post(FORM, {name: value, "idle_held_minutes": "10"})
    assert answer.status_code == 200
    monkeypatch.setenv(f"GPU_MONITOR_{name.upper()}", value)
    with pytest.raises(SystemExit) as ended:
        load_config(())
    words = str(ended.value).removeprefix("gpumon: ").removesuffix(" (set in the environment)")
    assert answer.context["errors"].as_data()  # type: ignore[index]
    assert answer.context["adminform"].form.errors == {name: [words]}  # type: ignore[index]
    assert not SiteSettings.objects.exists()


def test_log_has_each_change_with_both_values(root: Client) -> None:
    root.post(FORM, {"poll_interval_ms": "250", "idle_held_utilization_percent": "0"})
    root.post(FORM, {"poll_interval_ms": "500", "idle_held_utilization_percent": "0", "enable_system_metrics": "True"})
    messages = [entry.get_change_message() for entry in LogEntry.objects.order_by("pk")]
    assert messages == [
        "Changed Polling interval: default → 250 and Idle-held utilization: default → 0.",
        "Changed Polling interval: 250 → 500 and System metrics: default → yes.",
    ]


def test_read_only_user_sees_effective_values_and_cannot_change_them() -> None:
    client = holder_of("view_sitesettings")
    html = page(client)
    assert '<div class="readonly">1000</div>' in html
    assert '<div class="readonly">7</div>' in html
    assert '<input type="submit" value="Save"' not in html
    assert client.post(FORM, {"poll_interval_ms": "250"}).status_code == 403


def test_user_without_the_permission_sees_no_settings() -> None:
    assert holder_of("view_user").get(FORM).status_code == 403
    assert Client().get(FORM)["Location"].startswith("/admin/login/")


def test_user_with_the_permission_changes_settings() -> None:
    client = holder_of("view_sitesettings", "change_sitesettings")
    assert client.post(FORM, {"poll_interval_ms": "250"}).status_code == 302
    assert SiteSettings.objects.get().overrides == {"poll_interval_ms": 250}
