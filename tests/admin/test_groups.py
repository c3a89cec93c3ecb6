"""The groups made by migrations: created with permissions on the first start, and unchanged afterwards."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import SimpleNamespace

import pytest
from django.apps import apps
from django.contrib.auth.models import Group
from django.db import connection

from tests.support.servers import Server

HELD = """
SELECT auth_group.name, codename FROM auth_group
LEFT JOIN auth_group_permissions ON group_id = auth_group.id
LEFT JOIN auth_permission ON permission_id = auth_permission.id ORDER BY codename
"""


def groups(server: Server) -> dict[str, list[str]]:
    """The permissions of each group."""
    found: dict[str, list[str]] = {}
    for name, codename in server.sql(HELD):
        found.setdefault(name, []).extend([codename] if codename else [])
    return found


@pytest.mark.slow
def test_first_start_creates_three_groups_and_later_ones_keep_changes(tmp_path: Path) -> None:
    server = Server(tmp_path)  # its folder is as a first start leaves it
    found = groups(server)
    own_tokens = ["add_apitoken", "change_apitoken"]
    assert found["viewers"] == [*own_tokens, "view_alertevent", "view_alertrule", "view_apitoken", "view_sitesettings"]
    assert set(found["operators"]) - set(found["viewers"]) == {
        "acknowledge_alertevent",
        "mute_alertrule",
        "view_delivery",
    }
    assert {"change_sitesettings", "add_alertrule", "delete_channel", "mute_alertrule"} <= set(found["administrators"])
    assert not any(codename.endswith(("user", "group")) for codename in found["administrators"])
    server.sql("DELETE FROM auth_group_permissions WHERE group_id = (SELECT id FROM auth_group WHERE name = 'viewers')")
    server.sql(
        "DELETE FROM auth_group_permissions WHERE group_id = (SELECT id FROM auth_group WHERE name = 'operators')"
    )
    server.sql("DELETE FROM auth_group WHERE name = 'operators'")
    server.manage("migrate", "--verbosity", "0")
    assert groups(server) == {"administrators": found["administrators"], "viewers": []}


@pytest.mark.django_db
def test_existing_group_of_the_same_name_stays_unchanged() -> None:
    Group.objects.all().delete()
    Group.objects.create(name="viewers")
    migration = importlib.import_module("monitor.migrations.0011_groups")
    migration.make_groups(apps, SimpleNamespace(connection=connection))
    held = {group.name: group.permissions.exists() for group in Group.objects.all()}
    assert held == {"viewers": False, "operators": True, "administrators": True}
