"""Joining, in the database: codes are exchanged for keys once, keys are bound to a host, and refusals say what to do."""

from __future__ import annotations

import socket
from datetime import timedelta

import pytest
from django.utils import timezone

from monitor.fleet import registry
from monitor.fleet.protocol import Hello, Refused
from monitor.fleet.registry import Admitted, admit, make_code
from monitor.models import FleetHost, JoinCode

pytestmark = pytest.mark.django_db
NOW = timezone.now()
A, B = "aa" * 16, "bb" * 16


def hello(host_id: str = A, code: str | None = None, *, host: str = "gpu01", machine: str | None = None) -> Hello:
    return Hello(protocol=1, version="0.1.0", host_id=host_id, host=host, machine=machine, sent_at=1.0, code=code)


def new_code(name: str = "") -> str:
    return make_code(name=name, created_by=None, now=NOW)


def joined(host_id: str = A, name: str = "", **changes: str) -> str:
    """The key of a host that has joined."""
    found = admit(hello(host_id, new_code(name), **changes), None, (), NOW)
    assert isinstance(found, Admitted)
    assert found.key is not None
    return found.key


def refusal(given: Hello, key: str | None = None, *, days: float = 0) -> str:
    found = admit(given, key, (), NOW + timedelta(days=days))
    assert isinstance(found, Refused)
    assert found.text == registry.REFUSALS.get(found.code, found.text)
    return found.code


def test_secrets_are_stored_as_hashes_only() -> None:
    code, key = new_code(), joined()
    stored = str([*FleetHost.objects.values(), *JoinCode.objects.values()])
    assert code not in stored
    assert key not in stored


def test_key_is_valid_for_its_host_alone() -> None:
    key = joined(A)
    assert admit(hello(A), key, (), NOW) == Admitted(A, "gpu01", (), None)
    assert refusal(hello(B), key) == "other_host"
    assert refusal(hello(A), key + "x") == "unknown_key"
    assert refusal(hello(A), "") == "unknown_key"
    assert refusal(hello(A), None) == "no_code"


def test_code_is_valid_once_and_for_a_day() -> None:
    code = new_code()
    assert refusal(hello(A, "gpumonjoin_wrong")) == "wrong_code"
    assert refusal(hello(A, code), days=1) == "expired_code"
    assert isinstance(admit(hello(A, code), None, (), NOW), Admitted)
    assert refusal(hello(B, code)) == "used_code"


def test_key_that_was_lost_on_the_way_is_replaced_by_the_same_code() -> None:
    code = new_code()
    first, second = (admit(hello(A, code), None, (), NOW) for _ in range(2))
    assert isinstance(first, Admitted)
    assert isinstance(second, Admitted)
    assert refusal(hello(A), first.key) == "unknown_key"
    assert isinstance(admit(hello(A), second.key, (), NOW), Admitted)


@pytest.mark.parametrize("state", ["revoked", "retired"])
def test_used_code_does_not_bring_a_revoked_host_back_but_a_new_one_does(state: str) -> None:
    code = new_code()
    found = admit(hello(A, code), None, (), NOW)
    assert isinstance(found, Admitted)
    FleetHost.objects.update(state=state)
    assert refusal(hello(A), found.key) == state
    assert refusal(hello(A, code), found.key) == state
    assert refusal(hello(A, code), None) == state
    assert isinstance(admit(hello(A, new_code()), found.key, (), NOW), Admitted)
    assert FleetHost.objects.get().state == "active"


def test_deleted_host_does_not_come_back_by_its_used_code() -> None:
    code = new_code()
    found = admit(hello(A, code), None, (), NOW)
    assert isinstance(found, Admitted)
    FleetHost.objects.all().delete()
    assert refusal(hello(A, code), None) == "used_code"
    assert refusal(hello(A, code), found.key) == "unknown_key"


def test_reinstalled_machine_waits_until_it_may_replace_the_old_host() -> None:
    joined(A, "node7", machine="cc" * 16)
    FleetHost.objects.update(tags=["lab"])
    code = new_code()
    assert refusal(hello(B, code, machine="cc" * 16)) == "same_machine"
    registry.replace(FleetHost.objects.get(host_id=B))
    assert isinstance(admit(hello(B, code, machine="cc" * 16), None, (), NOW), Admitted)
    rows = {row.host_id: (row.name, row.tags, row.state) for row in registry.rows()}
    assert rows == {B: ("node7", ("lab",), "active"), A: ("node7 (replaced)", ("lab",), "retired")}


def test_second_agent_on_a_machine_whose_first_is_connected_is_another_host() -> None:
    joined(A, machine="cc" * 16)
    assert isinstance(admit(hello(B, new_code(), machine="cc" * 16), None, {A}, NOW), Admitted)


def test_names_are_unique_and_harmless() -> None:
    joined(A, host="node\x1b[31m")
    joined(B, host="node\x1b[31m")
    joined("cc" * 16, host="\u202e\n")
    assert sorted(FleetHost.objects.values_list("name", flat=True)) == ["node [31m", "node [31m-2", "unnamed"]


def test_host_with_the_hubs_name_gets_a_number() -> None:
    """Images of one machine all have its name, and an address with it shows the hub's own readings."""
    joined(host=socket.gethostname())
    assert FleetHost.objects.get().name == f"{socket.gethostname()}-2"


def test_administrators_manage_hosts_and_codes() -> None:
    from django.contrib.auth.models import Group

    names = set(Group.objects.get(name="administrators").permissions.values_list("codename", flat=True))
    assert {"change_fleethost", "view_fleethost", "delete_fleethost", "add_joincode"} <= names
