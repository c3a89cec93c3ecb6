"""Stored history: packed readings, their sources, and gaps."""

from __future__ import annotations

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("monitor", "0018_view_commands"),
    ]

    operations = [
        migrations.CreateModel(
            name="HistorySource",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("key", models.CharField(max_length=200, unique=True)),
                ("kind", models.CharField(choices=[("gpu", "GPU"), ("host", "Host")], max_length=10)),
                ("index", models.PositiveIntegerField(null=True, verbose_name="GPU index")),
                ("name", models.CharField(max_length=200)),
                ("first_at", models.BigIntegerField()),
                ("last_at", models.BigIntegerField()),
                ("limits", models.JSONField(default=dict)),
            ],
            options={
                "default_permissions": (),
            },
        ),
        migrations.CreateModel(
            name="HistoryGap",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("start", models.BigIntegerField()),
                ("end", models.BigIntegerField()),
                ("reason", models.CharField(max_length=20)),
                ("text", models.CharField(blank=True, max_length=300)),
                (
                    "source",
                    models.ForeignKey(
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        to="monitor.historysource",
                    ),
                ),
            ],
            options={
                "default_permissions": (),
                "indexes": [models.Index(fields=["start"], name="monitor_history_gaps")],
            },
        ),
        migrations.CreateModel(
            name="HistoryChunk",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("tier", models.PositiveSmallIntegerField()),
                ("start", models.BigIntegerField()),
                ("end", models.BigIntegerField()),
                ("is_open", models.BooleanField(default=False)),
                ("data", models.BinaryField()),
                (
                    "source",
                    models.ForeignKey(
                        db_index=False, on_delete=django.db.models.deletion.CASCADE, to="monitor.historysource"
                    ),
                ),
            ],
            options={
                "default_permissions": (),
                "indexes": [models.Index(fields=["tier", "start", "source"], name="monitor_history_chunks")],
            },
        ),
    ]
