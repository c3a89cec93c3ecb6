"""The migration that renames the default rules keeps administrators' names and open alerts."""

from __future__ import annotations

import importlib

import pytest
from django.apps import apps
from django.db import connection

from monitor.models import AlertEvent, AlertRule
from tests.alerts.engine_scene import HOT, Scene

migration = importlib.import_module("monitor.migrations.0014_rule_names")
OLD = "Hotter than its slowdown threshold"
NEW = "Above slowdown temperature"

pytestmark = pytest.mark.django_db


def rename() -> None:
    migration.rename(apps, connection.schema_editor())


def names() -> list[str]:
    return sorted(AlertRule.objects.values_list("name", flat=True))


@pytest.fixture(autouse=True)
def no_rules(db: None) -> None:
    AlertRule.objects.all().delete()


def test_default_rules_with_their_original_names_are_renamed() -> None:
    for (old, kind), _ in migration.RENAMED.items():
        AlertRule.objects.create(name=old, kind=kind)
    rename()
    assert names() == sorted(migration.RENAMED.values())
    first = importlib.import_module("monitor.migrations.0003_default_rules").RULES
    assert {*migration.RENAMED.values()} <= {fields["name"] for fields in first}


def test_names_chosen_by_an_administrator_stay() -> None:
    AlertRule.objects.create(name="My hot rule", kind="threshold")
    AlertRule.objects.create(name="Slowed down by heat", kind="gpu_lost")  # another rule with an old name
    AlertRule.objects.create(name=OLD, kind="threshold")
    AlertRule.objects.create(name=NEW, kind="threshold")  # the new name is taken
    before = names()
    rename()
    assert names() == before


def test_open_alert_of_a_renamed_rule_continues_after_the_upgrade() -> None:
    AlertRule.objects.create(
        name=OLD, kind="threshold", metric="gpu.temperature_celsius", comparator=">=", threshold=90
    )
    scene = Scene()
    scene.goes(1, HOT)
    scene.goes(1, HOT)
    scene.goes(10, HOT)
    rename()
    scene.restarted()
    scene.goes(1, HOT)
    [event] = AlertEvent.objects.all()
    assert (event.state, event.rule_name, event.rule_then["name"]) == ("firing", NEW, NEW)
    assert [alert.rule for alert in scene.shown[-1]] == [NEW]
