"""The usage ledger: who held which GPU."""

from __future__ import annotations

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("monitor", "0020_alert_evidence"),
    ]

    operations = [
        migrations.CreateModel(
            name="UsageGpu",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("uuid", models.CharField(max_length=96, unique=True)),
                ("index", models.PositiveIntegerField()),
                ("name", models.CharField(max_length=200)),
                ("host", models.CharField(max_length=255)),
            ],
            options={
                "default_permissions": (),
            },
        ),
        migrations.CreateModel(
            name="UsageJournal",
            fields=[
                ("id", models.PositiveSmallIntegerField(default=1, editable=False, primary_key=True, serialize=False)),
                ("until", models.FloatField()),
                ("data", models.BinaryField()),
            ],
            options={
                "default_permissions": (),
            },
        ),
        migrations.CreateModel(
            name="UsageUser",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(max_length=150, unique=True)),
                ("hue", models.PositiveSmallIntegerField()),
            ],
            options={
                "default_permissions": (),
            },
        ),
        migrations.CreateModel(
            name="UsageHolder",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("user", models.CharField(blank=True, max_length=150)),
                ("container", models.CharField(blank=True, max_length=150)),
                ("program", models.CharField(blank=True, max_length=150)),
                ("command", models.CharField(blank=True, max_length=150)),
                ("job", models.CharField(blank=True, max_length=150)),
                ("last_at", models.BigIntegerField()),
            ],
            options={
                "default_permissions": (),
                "constraints": [
                    models.UniqueConstraint(
                        fields=("user", "container", "program", "command", "job"), name="monitor_usageholder_one_each"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="UsagePeriod",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("start", models.FloatField()),
                ("end", models.FloatField(null=True)),
                (
                    "gpu",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="periods", to="monitor.usagegpu"
                    ),
                ),
            ],
            options={
                "default_permissions": (),
            },
        ),
        migrations.CreateModel(
            name="UsageProcess",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("pid", models.BigIntegerField()),
                ("started_at", models.FloatField(null=True)),
                ("command_line", models.CharField(blank=True, max_length=300)),
                ("container_id", models.CharField(blank=True, max_length=64)),
                ("pod", models.CharField(blank=True, max_length=150)),
                ("first_at", models.FloatField()),
                ("last_at", models.FloatField()),
                ("seconds", models.FloatField()),
                ("memory_mean_bytes", models.BigIntegerField(null=True)),
                ("memory_peak_bytes", models.BigIntegerField(null=True)),
                ("sm_percent", models.FloatField(null=True)),
                ("zero_seconds", models.FloatField()),
                (
                    "gpu",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        to="monitor.usagegpu",
                    ),
                ),
                (
                    "holder",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        to="monitor.usageholder",
                    ),
                ),
            ],
            options={
                "default_permissions": (),
                "indexes": [models.Index(fields=["last_at"], name="monitor_usageprocess_last")],
            },
        ),
        migrations.CreateModel(
            name="UsageShare",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("start", models.BigIntegerField()),
                ("share_ms", models.IntegerField()),
                ("user_ms", models.IntegerField()),
                ("container_ms", models.IntegerField()),
                ("program_ms", models.IntegerField()),
                ("command_ms", models.IntegerField()),
                ("job_ms", models.IntegerField()),
                ("held_ms", models.IntegerField()),
                ("zero_ms", models.IntegerField()),
                ("sm_known_ms", models.IntegerField()),
                ("sm_percent_seconds", models.IntegerField()),
                ("memory_mib_seconds", models.BigIntegerField()),
                ("energy_joules", models.IntegerField()),
                (
                    "gpu",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        to="monitor.usagegpu",
                    ),
                ),
                (
                    "holder",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        to="monitor.usageholder",
                    ),
                ),
            ],
            options={
                "default_permissions": (),
                "indexes": [models.Index(fields=["start"], name="monitor_usageshare_start")],
            },
        ),
        migrations.CreateModel(
            name="UsageSlice",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("start", models.BigIntegerField()),
                ("busy_ms", models.IntegerField()),
                ("held_ms", models.IntegerField()),
                ("nobody_ms", models.IntegerField()),
                ("free_ms", models.IntegerField()),
                ("lost_ms", models.IntegerField()),
                ("unread_ms", models.IntegerField()),
                ("energy_joules", models.IntegerField()),
                ("energy_ms", models.IntegerField()),
                (
                    "gpu",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        to="monitor.usagegpu",
                    ),
                ),
            ],
            options={
                "default_permissions": (),
                "constraints": [models.UniqueConstraint(fields=("start", "gpu"), name="monitor_usageslice_one_each")],
            },
        ),
        migrations.CreateModel(
            name="UsageSpan",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("start", models.BigIntegerField()),
                ("end", models.BigIntegerField()),
                ("state", models.CharField(max_length=10)),
                ("user", models.CharField(blank=True, max_length=150)),
                (
                    "gpu",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        to="monitor.usagegpu",
                    ),
                ),
            ],
            options={
                "default_permissions": (),
                "indexes": [models.Index(fields=["end"], name="monitor_usagespan_end")],
            },
        ),
    ]
