"""The effective settings: the admin's override the startup ones, for any state of the database."""

from __future__ import annotations

import logging
from collections.abc import Callable

import pytest
from django.db import connection

from monitor.config.model import Config
from monitor.models import SiteSettings
from monitor.runtime.effective_config import EffectiveConfig
from tests.support.runtimes import default_config

pytestmark = pytest.mark.django_db


@pytest.fixture
def effective() -> EffectiveConfig:
    return EffectiveConfig(default_config())


def put(**overrides: object) -> None:
    """Store these values without validation."""
    SiteSettings.objects.update_or_create(pk=1, defaults={"overrides": overrides})


def test_startup_settings_are_effective_without_a_row(effective: EffectiveConfig) -> None:
    effective.look()
    assert effective.config.poll_interval_ms == 1000
    assert effective.config.source_of("poll_interval_ms") == "default"


def test_row_is_applied_once_and_again_after_a_change(
    effective: EffectiveConfig, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "monitor")
    taken: list[Config] = []
    put(poll_interval_ms=250)
    assert [effective.look(taken.append), effective.look(taken.append)] == [True, False]
    put(poll_interval_ms=None, log_level="debug")
    assert effective.look(taken.append)
    assert [(each.poll_interval_ms, each.log_level) for each in taken] == [(250, "INFO"), (1000, "DEBUG")]
    assert "GPU_MONITOR_POLL_INTERVAL_MS is now 250 (admin)" in caplog.messages


def test_deleted_row_restores_the_defaults(effective: EffectiveConfig) -> None:
    put(poll_interval_ms=250)
    effective.look()
    SiteSettings.objects.all().delete()
    assert effective.look()
    assert effective.config.poll_interval_ms == 1000


def test_unchanged_row_costs_one_query(
    effective: EffectiveConfig, django_assert_num_queries: Callable[[int], object]
) -> None:
    put(poll_interval_ms=250)
    effective.look()
    with django_assert_num_queries(1):  # type: ignore[attr-defined]
        effective.look()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("poll_interval_ms", 50),
        ("poll_interval_ms", 10**9),
        ("log_level", "loud"),
        ("telemetry_provider", "replay"),
        ("show_commands", "some"),
        ("idle_held_minutes", 0),
        ("idle_held_minutes", {"of": "another kind"}),
        ("log_level", ["INFO"]),
    ],
)
def test_invalid_value_is_logged_once_and_ignored_and_the_others_apply(
    effective: EffectiveConfig, caplog: pytest.LogCaptureFixture, name: str, value: object
) -> None:
    put(**{name: value, "ws_max_rate_hz": 7})
    effective.look()
    effective.look()
    assert getattr(effective.config, name) == Config.model_fields[name].default
    assert effective.config.ws_max_rate_hz == 7
    assert len([told for told in caplog.messages if "(set in the admin)" in told]) == 1


def test_missing_table_is_logged_once_and_leaves_the_settings_unchanged(
    effective: EffectiveConfig, caplog: pytest.LogCaptureFixture
) -> None:
    put(poll_interval_ms=250)
    effective.look()
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE monitor_sitesettings RENAME TO elsewhere")
        assert not effective.look()
        assert not effective.look()
        assert effective.config.poll_interval_ms == 250
        assert len([told for told in caplog.messages if "cannot be read" in told]) == 1
        cursor.execute("ALTER TABLE elsewhere RENAME TO monitor_sitesettings")
    put(poll_interval_ms=500)
    assert effective.look()
    assert effective.config.poll_interval_ms == 500


@pytest.mark.parametrize("stored", ["[1]", '"text"', "1", "null"])
def test_row_without_a_json_object_is_logged_once_and_changes_nothing(
    effective: EffectiveConfig, caplog: pytest.LogCaptureFixture, stored: str
) -> None:
    put(poll_interval_ms=250)
    effective.look()
    with connection.cursor() as cursor:
        cursor.execute("UPDATE monitor_sitesettings SET overrides = %s", [stored])
    effective.look()
    effective.look()
    if stored == "null":
        assert effective.config.poll_interval_ms == 1000
    else:
        assert effective.config.poll_interval_ms == 250
        assert len([told for told in caplog.messages if "not a JSON object" in told]) == 1


def test_names_that_the_admin_cannot_set_are_ignored(effective: EffectiveConfig) -> None:
    """From another version, or written by SQL to change a setting that only the environment can set."""
    put(poll_interval_ms=250, no_such_setting=1, secret_key="x" * 40, auth="none")
    effective.look()
    assert effective.config.poll_interval_ms == 250
    assert effective.config.secret_key is None
    assert effective.config.auth == "auto"
