"""Alert rules, their events, and the channels that tell them."""

from __future__ import annotations

import uuid

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("monitor", "0001_site_settings"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="AlertRule",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(max_length=100, unique=True)),
                ("is_enabled", models.BooleanField(default=True, verbose_name="enabled")),
                (
                    "severity",
                    models.CharField(
                        choices=[("info", "Info"), ("warning", "Warning"), ("critical", "Critical")],
                        default="warning",
                        max_length=10,
                    ),
                ),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("threshold", "A value passes a threshold"),
                            ("stale", "No data, or old data"),
                            ("gpu_lost", "A GPU is lost"),
                            ("gpu_count_fell", "Fewer GPUs than before"),
                            ("xid", "A new Xid error"),
                            ("rise", "A counter rises"),
                            ("throttled", "Clocks are held down"),
                            ("several_users", "Several users on one GPU"),
                            ("idle_held", "Memory is held idly"),
                            ("process_gone", "A dead process holds memory"),
                        ],
                        default="threshold",
                        max_length=20,
                    ),
                ),
                ("metric", models.CharField(blank=True, max_length=80)),
                (
                    "comparator",
                    models.CharField(
                        blank=True, choices=[(">", ">"), (">=", ">="), ("<", "<"), ("<=", "<=")], max_length=2
                    ),
                ),
                ("threshold", models.FloatField(blank=True, null=True)),
                ("clear_threshold", models.FloatField(blank=True, null=True)),
                ("relative_to", models.CharField(blank=True, max_length=80)),
                (
                    "throttle",
                    models.CharField(
                        blank=True,
                        choices=[("thermal", "Thermal"), ("power", "Power"), ("any", "Thermal or power")],
                        max_length=10,
                    ),
                ),
                ("ignored_xids", models.CharField(blank=True, max_length=200, verbose_name="ignored Xids")),
                ("held_memory_mib", models.PositiveIntegerField(blank=True, null=True, verbose_name="held memory")),
                ("for_seconds", models.FloatField(blank=True, null=True, verbose_name="for")),
                ("clear_for_seconds", models.FloatField(default=0, verbose_name="clear for")),
                ("gpu_indexes", models.CharField(blank=True, max_length=200, verbose_name="GPU indexes")),
                ("gpu_name_pattern", models.CharField(blank=True, max_length=200, verbose_name="GPU name")),
                ("host_pattern", models.CharField(blank=True, max_length=200, verbose_name="host")),
                (
                    "mig",
                    models.CharField(
                        choices=[
                            ("any", "With MIG or without"),
                            ("only", "In MIG mode only"),
                            ("without", "Not in MIG mode"),
                        ],
                        default="any",
                        max_length=10,
                        verbose_name="MIG",
                    ),
                ),
                ("muted_until", models.DateTimeField(blank=True, null=True)),
                ("quiet_hours", models.TextField(blank=True)),
                ("remind_every_minutes", models.PositiveIntegerField(default=0, verbose_name="remind every")),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("updated_at", models.DateTimeField(auto_now=True)),
            ],
            options={
                "ordering": ("name",),
                "permissions": (("mute_alertrule", "Can mute alert rules"),),
            },
        ),
        migrations.CreateModel(
            name="Channel",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(max_length=100, unique=True)),
                ("url", models.TextField(verbose_name="URL")),
                ("signing_secret", models.CharField(blank=True, max_length=200)),
                ("is_enabled", models.BooleanField(default=True, verbose_name="enabled")),
                ("is_for_all_rules", models.BooleanField(default=True, verbose_name="default channel")),
                (
                    "minimum_severity",
                    models.CharField(
                        choices=[("info", "Info"), ("warning", "Warning"), ("critical", "Critical")],
                        default="info",
                        max_length=10,
                    ),
                ),
                ("messages_per_hour", models.PositiveIntegerField(default=60, verbose_name="messages per hour")),
                ("last_sent_at", models.DateTimeField(editable=False, null=True)),
                ("last_error", models.TextField(blank=True, editable=False)),
                ("last_error_at", models.DateTimeField(editable=False, null=True)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("updated_at", models.DateTimeField(auto_now=True)),
            ],
            options={
                "ordering": ("name",),
            },
        ),
        migrations.CreateModel(
            name="SeenGpu",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("uuid", models.CharField(max_length=96, unique=True, verbose_name="UUID")),
                ("name", models.CharField(blank=True, max_length=200)),
                ("host", models.CharField(blank=True, max_length=255)),
                ("index", models.PositiveIntegerField(blank=True, null=True)),
                ("last_seen_at", models.DateTimeField(blank=True, null=True)),
            ],
            options={
                "verbose_name": "GPU",
                "verbose_name_plural": "GPUs seen",
                "ordering": ("host", "index", "uuid"),
            },
        ),
        migrations.CreateModel(
            name="AlertEvent",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ("rule_name", models.CharField(max_length=100, verbose_name="rule")),
                ("rule_then", models.JSONField(default=dict, verbose_name="the rule as it was")),
                (
                    "severity",
                    models.CharField(
                        choices=[("info", "Info"), ("warning", "Warning"), ("critical", "Critical")], max_length=10
                    ),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[("firing", "Firing"), ("resolved", "Resolved")], default="firing", max_length=10
                    ),
                ),
                ("host", models.CharField(max_length=255)),
                ("subject", models.CharField(blank=True, max_length=200)),
                ("gpu_uuid", models.CharField(blank=True, max_length=96, verbose_name="GPU UUID")),
                ("gpu_index", models.PositiveIntegerField(null=True, verbose_name="GPU index")),
                ("gpu_name", models.CharField(blank=True, max_length=200, verbose_name="GPU name")),
                ("pid", models.PositiveBigIntegerField(null=True, verbose_name="PID")),
                ("summary", models.CharField(max_length=500)),
                ("detail", models.TextField(blank=True)),
                ("metric", models.CharField(blank=True, max_length=80)),
                ("threshold", models.FloatField(null=True)),
                ("value", models.FloatField(null=True, verbose_name="value when it fired")),
                ("worst_value", models.FloatField(null=True)),
                ("started_at", models.DateTimeField()),
                ("fired_at", models.DateTimeField()),
                ("resolved_at", models.DateTimeField(null=True)),
                ("resolved_because", models.CharField(blank=True, max_length=300)),
                ("acknowledged_at", models.DateTimeField(blank=True, null=True)),
                ("note", models.TextField(blank=True)),
                ("told_at", models.DateTimeField(null=True)),
                (
                    "acknowledged_by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "rule",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="events",
                        to="monitor.alertrule",
                    ),
                ),
            ],
            options={
                "ordering": ("-fired_at",),
                "permissions": (("acknowledge_alertevent", "Can acknowledge alerts"),),
            },
        ),
        migrations.CreateModel(
            name="AlertState",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("subject", models.CharField(max_length=200)),
                ("state", models.JSONField()),
                (
                    "rule",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="states", to="monitor.alertrule"
                    ),
                ),
            ],
        ),
        migrations.AddField(
            model_name="alertrule",
            name="channels",
            field=models.ManyToManyField(blank=True, related_name="rules", to="monitor.channel"),
        ),
        migrations.CreateModel(
            name="Delivery",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("message_id", models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("fired", "Fired"),
                            ("resolved", "Resolved"),
                            ("reminder", "Reminder"),
                            ("test", "Test"),
                        ],
                        max_length=10,
                    ),
                ),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("waiting", "Waiting"),
                            ("sending", "Sending"),
                            ("sent", "Sent"),
                            ("failed", "Abandoned"),
                        ],
                        default="waiting",
                        max_length=10,
                    ),
                ),
                ("attempts", models.PositiveIntegerField(default=0)),
                ("created_at", models.DateTimeField()),
                ("due_at", models.DateTimeField()),
                ("sent_at", models.DateTimeField(null=True)),
                ("last_error", models.TextField(blank=True)),
                (
                    "channel",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="deliveries", to="monitor.channel"
                    ),
                ),
                ("events", models.ManyToManyField(blank=True, related_name="deliveries", to="monitor.alertevent")),
                (
                    "rule",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to="monitor.alertrule",
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "deliveries",
                "ordering": ("-id",),
            },
        ),
        migrations.AddField(
            model_name="alertrule",
            name="gpus",
            field=models.ManyToManyField(blank=True, related_name="rules", to="monitor.seengpu", verbose_name="GPUs"),
        ),
        migrations.AddIndex(
            model_name="alertevent",
            index=models.Index(fields=["state", "severity"], name="monitor_event_state"),
        ),
        migrations.AddIndex(
            model_name="alertevent",
            index=models.Index(fields=["-fired_at"], name="monitor_event_fired"),
        ),
        migrations.AddConstraint(
            model_name="alertstate",
            constraint=models.UniqueConstraint(fields=("rule", "subject"), name="monitor_alertstate_one_each"),
        ),
        migrations.AddIndex(
            model_name="delivery",
            index=models.Index(fields=["status", "due_at"], name="monitor_delivery_due"),
        ),
    ]
