"""The groups made by migrations: created with permissions on the first start, and unchanged afterwards."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.servers import Server

pytestmark = pytest.mark.slow

TELL = """
import json
from django.contrib.auth.models import Group
print(json.dumps({group.name: sorted(group.permissions.values_list("codename", flat=True)) for group in Group.objects.all()}))
"""


def groups(server: Server) -> dict[str, list[str]]:
    told = server.manage("shell", "--verbosity", "0", "-c", TELL)
    found: dict[str, list[str]] = json.loads(told.splitlines()[-1])
    return found


def test_first_start_creates_three_groups_and_later_ones_keep_changes(tmp_path: Path) -> None:
    server = Server(tmp_path)
    server.manage("migrate", "--verbosity", "0")
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
    edit = "from django.contrib.auth.models import Group; Group.objects.get(name='viewers').permissions.clear()"
    server.manage("shell", "-c", f"{edit}; Group.objects.get(name='operators').delete()")
    server.manage("migrate", "--verbosity", "0")
    assert groups(server) == {"administrators": found["administrators"], "viewers": []}


def test_existing_group_of_the_same_name_stays_unchanged(tmp_path: Path) -> None:
    server = Server(tmp_path, is_first_start=True)
    server.manage("migrate", "--verbosity", "0", "auth")
    server.manage("shell", "-c", "from django.contrib.auth.models import Group; Group.objects.create(name='viewers')")
    server.manage("migrate", "--verbosity", "0")
    assert groups(server)["viewers"] == []
