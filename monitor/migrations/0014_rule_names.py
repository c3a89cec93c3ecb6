"""Plain names for the default rules, and validation of a rule in the model."""

from __future__ import annotations

from typing import Any

import django.core.validators
from django.apps.registry import Apps
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

import monitor.models.rules

RENAMED = {
    ("Hotter than its slowdown threshold", "threshold"): "Above slowdown temperature",
    ("Slowed down by heat", "throttled"): "Thermal throttling",
    ("Row of GPU memory remapped", "rise"): "Memory row remapped",
    ("GPU memory held idly", "idle_held"): "Idle GPU memory",
}
"""Old names of default rules, with their kinds."""
_OUT_OF_RANGE = "%(show_value)s is out of range: 0 to 2147483647."


def rename(apps: Apps, _editor: BaseDatabaseSchemaEditor) -> None:
    """Rename default rules that still have their first names, unless another rule has the new name.

    Their open alerts and saved states contain the rule. They get the new name too: otherwise the engine would see an
    edited rule and resolve the alerts.
    """
    rules = apps.get_model("monitor", "AlertRule").objects
    for (old, kind), new in RENAMED.items():
        rule = rules.filter(name=old, kind=kind).first()
        if rule is None or rules.filter(name=new).exists():
            continue
        rules.filter(pk=rule.pk).update(name=new)
        for event in apps.get_model("monitor", "AlertEvent").objects.filter(rule=rule, state="firing"):
            event.rule_name = new
            _set_name(event.rule_then, new)
            event.save(update_fields=["rule_name", "rule_then"])
        for state in apps.get_model("monitor", "AlertState").objects.filter(rule=rule, subject="#"):
            _set_name(state.state.get("rule"), new)
            state.save(update_fields=["state"])


def _set_name(stored_rule: Any, name: str) -> None:
    if isinstance(stored_rule, dict) and "name" in stored_rule:
        stored_rule["name"] = name


class Migration(migrations.Migration):
    dependencies = [("monitor", "0013_settings_as_json")]

    operations = [
        migrations.AlterField(
            "alertevent", "rule_then", models.JSONField(default=dict, verbose_name="rule at the time")
        ),
        migrations.AlterField(
            "alertevent", "told_at", models.DateTimeField(null=True, verbose_name="last notified at")
        ),
        migrations.AlterField("alertevent", "value", models.FloatField(null=True, verbose_name="value when fired")),
        migrations.AlterField(
            "alertrule",
            "held_memory_mib",
            models.PositiveIntegerField(
                blank=True,
                null=True,
                validators=[
                    django.core.validators.MinValueValidator(0, message=_OUT_OF_RANGE),
                    django.core.validators.MaxValueValidator(2147483647, message=_OUT_OF_RANGE),
                ],
                verbose_name="held memory",
            ),
        ),
        migrations.AlterField(
            "alertrule",
            "kind",
            models.CharField(choices=monitor.models.rules.kind_choices, default="threshold", max_length=20),
        ),
        migrations.AlterField(
            "alertrule",
            "muted_until",
            models.DateTimeField(blank=True, null=True, validators=[monitor.models.rules.validate_moment]),
        ),
        migrations.AlterField(
            "alertrule",
            "name",
            models.CharField(max_length=100, unique=True, validators=[monitor.models.rules.validate_name]),
        ),
        migrations.AlterField(
            "alertrule",
            "quiet_hours",
            models.TextField(blank=True, validators=[monitor.models.rules.validate_quiet_hours]),
        ),
        migrations.AlterField(
            "alertrule",
            "remind_every_minutes",
            models.PositiveIntegerField(
                default=0,
                validators=[
                    django.core.validators.MinValueValidator(0, message=_OUT_OF_RANGE),
                    django.core.validators.MaxValueValidator(2147483647, message=_OUT_OF_RANGE),
                ],
                verbose_name="remind every",
            ),
        ),
        migrations.RunPython(rename, migrations.RunPython.noop),
    ]
