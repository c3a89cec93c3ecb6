"""Groups to put people into: viewers, operators, administrators. Made once; what becomes of them is an administrator's to say."""

from __future__ import annotations

from typing import Any

from django.apps import apps as global_apps
from django.contrib.auth.management import create_permissions
from django.db import migrations

VIEWERS = ("view_alertrule", "view_alertevent", "view_sitesettings")
# Not view_channel: its address may hold a password.
OPERATORS = (*VIEWERS, "view_delivery", "acknowledge_alertevent", "mute_alertrule")


def make_groups(apps: Any, schema_editor: Any) -> None:
    """Each with its permissions. One that is there already, by whatever hand, is left as it is."""
    database = schema_editor.connection.alias
    # Django makes the permissions after the last migration only, which on a first start is too late for the groups. It asks
    # the app as it is whether it has models, which the one of a migration cannot tell, and takes them from that one.
    create_permissions(global_apps.get_app_config("monitor"), apps=apps, using=database, verbosity=0)
    permissions = apps.get_model("auth", "Permission").objects.using(database).filter(content_type__app_label="monitor")
    held = {
        "viewers": permissions.filter(codename__in=VIEWERS),
        "operators": permissions.filter(codename__in=OPERATORS),
        "administrators": permissions,
    }
    for name, theirs in held.items():
        group, is_new = apps.get_model("auth", "Group").objects.using(database).get_or_create(name=name)
        if is_new:
            group.permissions.set(theirs)


class Migration(migrations.Migration):
    dependencies = [
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
        ("monitor", "0010_delivery_digests"),
    ]

    # Back again they stay: people may be in them.
    operations = [migrations.RunPython(make_groups, migrations.RunPython.noop)]
