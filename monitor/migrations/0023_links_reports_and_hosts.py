"""Read-only links and hosts of a fleet, which administrators manage; weekly reports to users; processes known by accounting mode."""

from __future__ import annotations

from typing import Any

import django.db.models.deletion
from django.apps import apps as global_apps
from django.conf import settings
from django.contrib.auth.management import create_permissions
from django.db import migrations, models


def allow_administrators(apps: Any, schema_editor: Any) -> None:
    """Give all permissions to the group of administrators. One that can no longer change settings is left as it is."""
    database = schema_editor.connection.alias
    create_permissions(global_apps.get_app_config("monitor"), apps=apps, using=database, verbosity=0)
    permissions = apps.get_model("auth", "Permission").objects.using(database).filter(content_type__app_label="monitor")
    groups = apps.get_model("auth", "Group").objects.using(database)
    changing = permissions.filter(codename="change_sitesettings")
    for group in groups.filter(name="administrators", permissions__in=changing):
        group.permissions.add(*permissions.filter(content_type__model__in=("viewlink", "fleethost", "joincode")))


class Migration(migrations.Migration):
    dependencies = [
        ("monitor", "0022_weekly_report"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="ViewLink",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "name",
                    models.CharField(
                        help_text="What it is for, such as the wall screen that opens it.", max_length=100
                    ),
                ),
                ("key", models.CharField(editable=False, max_length=22, unique=True)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("expires_at", models.DateTimeField(editable=False)),
                ("last_used_at", models.DateTimeField(editable=False, null=True)),
                ("revoked_at", models.DateTimeField(editable=False, null=True)),
                (
                    "created_by",
                    models.ForeignKey(
                        editable=False,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="view_links",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "verbose_name": "read-only link",
                "ordering": ("-created_at",),
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("revoked_at__isnull", True)),
                        fields=("name",),
                        name="monitor_viewlink_name",
                    )
                ],
            },
        ),
        migrations.AddField(
            model_name="delivery",
            name="user",
            field=models.CharField(blank=True, default="", max_length=150),
        ),
        migrations.AddField(
            model_name="delivery",
            name="recipient",
            field=models.CharField(blank=True, default="", max_length=254),
        ),
        migrations.AddField(
            model_name="usageprocess",
            name="is_from_accounting",
            field=models.BooleanField(default=False),
        ),
        migrations.CreateModel(
            name="FleetHost",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("host_id", models.CharField(editable=False, max_length=32, unique=True, verbose_name="host ID")),
                ("name", models.CharField(max_length=100, unique=True)),
                ("tags", models.JSONField(blank=True, default=list)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("active", "active"),
                            ("may_be_off", "may be off"),
                            ("pending", "waits: same machine as another host"),
                            ("retired", "retired"),
                            ("revoked", "revoked"),
                        ],
                        default="active",
                        max_length=12,
                    ),
                ),
                ("machine", models.CharField(blank=True, editable=False, max_length=32)),
                ("key_prefix", models.CharField(blank=True, editable=False, max_length=16)),
                ("key_digest", models.CharField(blank=True, db_index=True, editable=False, max_length=64)),
                ("joined_at", models.DateTimeField(auto_now_add=True)),
                ("last_seen_at", models.DateTimeField(editable=False, null=True)),
                ("agent_version", models.CharField(blank=True, editable=False, max_length=255)),
                ("driver_version", models.CharField(blank=True, editable=False, max_length=255)),
                ("clock_offset_seconds", models.FloatField(editable=False, null=True)),
                ("problem", models.TextField(blank=True, editable=False)),
                (
                    "replaces",
                    models.ForeignKey(
                        editable=False,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="replaced_by",
                        to="monitor.fleethost",
                    ),
                ),
            ],
            options={
                "verbose_name": "host",
                "ordering": ("name",),
            },
        ),
        migrations.CreateModel(
            name="JoinCode",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "name",
                    models.CharField(
                        blank=True, help_text="What the host is called here; empty: its own name.", max_length=100
                    ),
                ),
                ("digest", models.CharField(editable=False, max_length=64, unique=True)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("expires_at", models.DateTimeField(editable=False)),
                ("used_by", models.CharField(blank=True, editable=False, max_length=32)),
                (
                    "created_by",
                    models.ForeignKey(
                        editable=False,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="join_codes",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "ordering": ("-created_at",),
            },
        ),
        migrations.RunPython(allow_administrators, migrations.RunPython.noop),
    ]
