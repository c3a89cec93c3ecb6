"""Hosts in the admin: the line to copy, and what an administrator can do with a host."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client
from django.utils import timezone

from monitor.fleet.protocol import Hello
from monitor.fleet.registry import Admitted, admit
from monitor.models import FleetHost
from tests.support.clients import logged_in
from tests.support.runtimes import current_runtime

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("static_root")]
LIST = "/admin/monitor/fleethost/"


@pytest.fixture(autouse=True)
def running() -> Iterator[None]:
    with current_runtime():
        yield


@pytest.fixture
def boss() -> Client:
    """In the group of administrators."""
    user = User.objects.create_user("boss", is_staff=True)
    user.groups.add(Group.objects.get(name="administrators"))
    return logged_in(user)


def a_host(name: str = "node1", **changes: object) -> FleetHost:
    return FleetHost.objects.create(**{"host_id": name.encode().hex().zfill(32), "name": name, **changes})


def save(client: Client, host: FleetHost, **given: str) -> str:
    data = {"name": host.name, "tags": "", "state": host.state, **given}
    answer = client.post(f"{LIST}{host.pk}/change/", data, follow=True)
    host.refresh_from_db()
    return answer.content.decode()


def test_line_to_copy_lets_a_host_join_and_is_shown_once(boss: Client) -> None:
    assert 'name="name"' in boss.get(f"{LIST}add/").content.decode()
    page = boss.post(f"{LIST}add/", {"name": "node1"}).content.decode()
    found = re.search(r"<code data-join-line>gpumon agent --hub http://testserver --code (\S+)</code>", page)
    assert found is not None
    hello = Hello(protocol=1, version="0.1.0", host_id="ab" * 16, host="x", sent_at=1.0, code=found[1])
    admitted = admit(hello, None, (), timezone.now())
    assert isinstance(admitted, Admitted)
    assert admitted.name == "node1"
    listed = boss.get(LIST).content.decode()
    assert "node1" in listed
    assert found[1] not in listed


def test_line_with_an_address_of_this_host_alone_says_so(boss: Client) -> None:
    assert "No other host reaches" not in boss.post(f"{LIST}add/", {"name": "node1"}).content.decode()
    page = boss.post(f"{LIST}add/", {"name": "node2"}, headers={"host": "localhost:5000"}).content.decode()
    assert "gpumon agent --hub http://localhost:5000 --code" in page
    assert "No other host reaches this server by <code>localhost</code>" in page


def test_host_is_renamed_tagged_and_retired(boss: Client) -> None:
    host = a_host()
    save(boss, host, name="gpu01", tags=" lab, h100,lab ,", state="retired")
    assert (host.name, host.tags, host.state) == ("gpu01", ["lab", "h100"], "retired")
    assert "lab, h100" in boss.get(LIST).content.decode()
    assert "A tag has at most 40 characters" in save(boss, host, tags="x" * 41)
    assert "This is the name of the hub itself." in save(boss, host, name=socket.gethostname())


def test_revoked_host_cannot_be_activated_by_the_form(boss: Client) -> None:
    host = a_host()
    boss.post(LIST, {"action": "revoke_chosen", "_selected_action": str(host.pk)})
    host.refresh_from_db()
    assert host.state == "revoked"
    assert "Select a valid choice" in save(boss, host, state="active")
    assert host.state == "revoked"


def test_reinstalled_host_replaces_the_old_one(boss: Client) -> None:
    old = a_host("old", tags=["lab"])
    new = a_host("newer", state="pending", replaces=old, problem="The same machine as old.")
    assert 'value="Replace old"' in boss.get(f"{LIST}{new.pk}/change/").content.decode()
    boss.post(f"{LIST}{new.pk}/replace/")
    assert [*FleetHost.objects.values_list("name", "state").order_by("pk")] == [
        ("old (replaced)", "retired"),
        ("old", "active"),
    ]
    assert "does not wait" in boss.post(f"{LIST}{new.pk}/replace/", follow=True).content.decode()


def test_host_that_waits_can_become_another_host(boss: Client) -> None:
    new = a_host("new", state="pending", replaces=a_host("old"), problem="The same machine as old.")
    save(boss, new, state="active")
    assert (new.state, new.replaces, new.problem) == ("active", None, "")


def test_problem_and_clock_are_listed(boss: Client) -> None:
    a_host(clock_offset_seconds=-7.4, problem="Its clock is 7 s behind the hub's.")
    listed = boss.get(LIST).content.decode()
    assert "7 s behind" in listed
    assert "not connected" in listed


def test_operators_see_no_hosts(boss: Client) -> None:
    user = User.objects.create_user("operator", is_staff=True)
    user.groups.add(Group.objects.get(name="operators"))
    assert logged_in(user).get(LIST).status_code == 403
    assert logged_in(user).post(f"{LIST}add/", {"name": ""}).status_code == 403
