"""The settings that administrators set become one JSON column, so that a new setting needs no migration."""

from __future__ import annotations

from typing import Any

from django.db import migrations, models

COLUMNS = (
    "poll_interval_ms",
    "ws_max_rate_hz",
    "log_level",
    "enable_system_metrics",
    "telemetry_provider",
    "let_gpus_sleep",
    "show_commands",
    "idle_held_memory_mib",
    "idle_held_utilization_percent",
    "idle_held_minutes",
    "alert_retention_days",
)


def to_json(apps: Any, schema_editor: Any) -> None:
    rows = apps.get_model("monitor", "SiteSettings").objects.using(schema_editor.connection.alias)
    for row in rows.values("pk", *COLUMNS):
        overrides = {name: row[name] for name in COLUMNS if row[name] not in (None, "")}
        rows.filter(pk=row["pk"]).update(overrides=overrides)


def to_columns(apps: Any, schema_editor: Any) -> None:
    rows = apps.get_model("monitor", "SiteSettings").objects.using(schema_editor.connection.alias)
    for row in rows.values("pk", "overrides"):
        rows.filter(pk=row["pk"]).update(**{name: row["overrides"].get(name) for name in COLUMNS})


class Migration(migrations.Migration):
    dependencies = [("monitor", "0012_api_tokens")]

    operations = [
        migrations.AddField("sitesettings", "overrides", models.JSONField(blank=True, default=dict)),
        migrations.RunPython(to_json, to_columns),
        *(migrations.RemoveField("sitesettings", name) for name in COLUMNS),
    ]
