"""The one row of settings that an administrator sets."""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="SiteSettings",
            fields=[
                ("id", models.PositiveSmallIntegerField(default=1, editable=False, primary_key=True, serialize=False)),
                (
                    "poll_interval_ms",
                    models.PositiveIntegerField(blank=True, null=True, verbose_name="polling interval"),
                ),
                ("ws_max_rate_hz", models.PositiveIntegerField(blank=True, null=True, verbose_name="broadcast rate")),
                ("log_level", models.CharField(blank=True, max_length=16, null=True)),
                ("enable_system_metrics", models.BooleanField(blank=True, null=True, verbose_name="system metrics")),
                ("telemetry_provider", models.CharField(blank=True, max_length=16, null=True, verbose_name="provider")),
                (
                    "let_gpus_sleep",
                    models.CharField(blank=True, max_length=16, null=True, verbose_name="sleeping GPUs"),
                ),
                ("show_commands", models.CharField(blank=True, max_length=16, null=True, verbose_name="command lines")),
                (
                    "idle_held_memory_mib",
                    models.PositiveIntegerField(blank=True, null=True, verbose_name="idle holding: memory"),
                ),
                (
                    "idle_held_utilization_percent",
                    models.PositiveIntegerField(blank=True, null=True, verbose_name="idle holding: utilization"),
                ),
                (
                    "idle_held_minutes",
                    models.PositiveIntegerField(blank=True, null=True, verbose_name="idle holding: minutes"),
                ),
                (
                    "alert_retention_days",
                    models.PositiveIntegerField(blank=True, null=True, verbose_name="keep alerts for"),
                ),
                ("updated_at", models.DateTimeField(auto_now=True)),
            ],
            options={
                "verbose_name": "settings",
                "verbose_name_plural": "settings",
                "constraints": [
                    models.CheckConstraint(condition=models.Q(("id", 1)), name="monitor_sitesettings_is_one_row")
                ],
            },
        ),
    ]
