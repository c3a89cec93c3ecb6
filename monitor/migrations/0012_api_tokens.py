"""Tokens for programs, and for each group what it may do with its own."""

from __future__ import annotations

from typing import Any

import django.db.models.deletion
from django.apps import apps as global_apps
from django.conf import settings
from django.contrib.auth.management import create_permissions
from django.db import migrations, models

OWN = ("view_apitoken", "add_apitoken", "change_apitoken")


def allow_groups(apps: Any, schema_editor: Any) -> None:
    """Everybody may make and revoke tokens of their own, administrators those of others. A group that may not even look by now,
    or never was one of gpumon's, is left as it is.
    """
    database = schema_editor.connection.alias
    create_permissions(global_apps.get_app_config("monitor"), apps=apps, using=database, verbosity=0)
    permissions = apps.get_model("auth", "Permission").objects.using(database).filter(content_type__app_label="monitor")
    of_tokens = permissions.filter(content_type__model="apitoken")
    held = {
        "viewers": of_tokens.filter(codename__in=OWN),
        "operators": of_tokens.filter(codename__in=OWN),
        "administrators": of_tokens,
    }
    groups = apps.get_model("auth", "Group").objects.using(database)
    for group in groups.filter(name__in=held, permissions__in=permissions.filter(codename="view_alertrule")):
        group.permissions.add(*held[group.name])


class Migration(migrations.Migration):
    dependencies = [
        ("monitor", "0011_groups"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="ApiToken",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "name",
                    models.CharField(help_text="What it is for, such as the program that uses it.", max_length=100),
                ),
                ("prefix", models.CharField(editable=False, max_length=16)),
                ("digest", models.CharField(editable=False, max_length=64, unique=True)),
                ("scopes", models.JSONField(default=list)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("expires_at", models.DateTimeField(blank=True, null=True)),
                ("last_used_at", models.DateTimeField(editable=False, null=True)),
                ("revoked_at", models.DateTimeField(editable=False, null=True)),
                (
                    "owner",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="api_tokens",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "verbose_name": "API token",
                "ordering": ("-created_at",),
                "permissions": (("manage_all_apitokens", "Can see and revoke the tokens of others"),),
                "constraints": [
                    models.UniqueConstraint(fields=("owner", "name"), name="monitor_apitoken_name_of_owner")
                ],
            },
        ),
        migrations.RunPython(allow_groups, migrations.RunPython.noop),
    ]
