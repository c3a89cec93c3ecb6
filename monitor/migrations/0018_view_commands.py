"""The permission to view command lines, which administrators had until now without it."""

from __future__ import annotations

from typing import Any

from django.apps import apps as global_apps
from django.contrib.auth.management import create_permissions
from django.db import migrations


def allow_administrators(apps: Any, schema_editor: Any) -> None:
    """Give it to the group of administrators. One that can no longer change settings is left as it is."""
    database = schema_editor.connection.alias
    create_permissions(global_apps.get_app_config("monitor"), apps=apps, using=database, verbosity=0)
    permissions = apps.get_model("auth", "Permission").objects.using(database).filter(content_type__app_label="monitor")
    groups = apps.get_model("auth", "Group").objects.using(database)
    changing = permissions.filter(codename="change_sitesettings")
    for group in groups.filter(name="administrators", permissions__in=changing):
        group.permissions.add(*permissions.filter(codename="view_commands"))


class Migration(migrations.Migration):
    dependencies = [("monitor", "0017_snoozes")]

    operations = [
        migrations.AlterModelOptions(
            name="sitesettings",
            options={
                "permissions": (("view_commands", "Can view the full command lines of GPU processes"),),
                "verbose_name": "settings",
                "verbose_name_plural": "settings",
            },
        ),
        migrations.RunPython(allow_administrators, migrations.RunPython.noop),
    ]
