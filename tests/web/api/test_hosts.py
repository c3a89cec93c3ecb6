"""/api/hosts, and the snapshots of other hosts for each kind of viewer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from monitor.access.policy import Access
from monitor.fleet.protocol import Hello
from monitor.fleet.registry import Admitted
from monitor.runtime.runtime import Runtime
from tests.support.clients import logged_in
from tests.support.runtimes import current_runtime
from tests.support.snapshots import gpu, host, process

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("static_root")]
NODE, EMPTY, HUB = "ab" * 16, "cd" * 16, "ef" * 16


class Socket:
    """An open connection."""

    hello = Hello(protocol=1, version="0.2.0", host_id=NODE, host="node1", sent_at=1.0)

    def end(self, refusal: object) -> None:
        """Nothing to close."""


@pytest.fixture(autouse=True)
def hub() -> Iterator[Runtime]:
    """It has a GPU, and node1 has two."""
    with current_runtime(host_id=HUB) as runtime:
        runtime.hub.take(host(gpu(0), host="hub"))
        for host_id, name in ((NODE, "node1"), (EMPTY, "empty")):
            assert runtime.fleet.connect(Admitted(host_id, name, ("lab",), None), Socket()) is None
        users = (process(7, user="mira", command="python secret.py"),)
        runtime.fleet.take(NODE, host(gpu(0, processes=users), gpu(1), host="node1", host_id=NODE), is_late=False)
        yield runtime


def get(client: Client, path: str) -> tuple[int, Any]:
    answer = client.get(path)
    return answer.status_code, answer.json()


def test_hub_is_first_and_every_host_has_its_state(client: Client) -> None:
    _, answer = get(client, "/api/hosts")
    assert [(each["name"], each["is_hub"], each["gpu_count"], each["stale"]) for each in answer["hosts"]] == [
        ("hub", True, 1, False), ("empty", False, None, True), ("node1", False, 2, False),
    ]  # fmt: skip
    assert answer["hosts"][2]["agent_version"] == "0.2.0"
    assert answer["hosts"][2]["tags"] == ["lab"]


@pytest.mark.parametrize("wanted", ["node1", NODE])
def test_snapshot_of_another_host_by_name_and_by_id(client: Client, wanted: str) -> None:
    status, answer = get(client, f"/api/snapshot?host={wanted}")
    assert (status, answer["host"], answer["host_id"], len(answer["gpus"])) == (200, "node1", NODE, 2)
    assert get(client, f"/api/snapshot?host={wanted}&gpu=1")[1]["index"] == 1


def test_own_name_and_id_mean_the_hub(client: Client) -> None:
    for wanted in ("hub", HUB):
        assert get(client, f"/api/snapshot?host={wanted}")[1]["host"] == "hub"


def test_unknown_host_and_host_without_a_reading_are_errors(client: Client) -> None:
    status, answer = get(client, "/api/snapshot?host=nowhere")
    assert (status, answer["error"]) == (404, "No host 'nowhere'. /api/hosts lists all: hub, empty, node1.")
    assert get(client, "/api/snapshot?host=empty")[0] == 503
    assert get(client, "/api/snapshot?host=")[0] == 404


def test_viewers_see_of_other_hosts_what_they_see_of_the_hub(client: Client, settings: Any) -> None:
    settings.ACCESS = Access("nobody", is_exposed=True, shows_details=False)
    stranger = get(client, "/api/snapshot?host=node1")[1]["gpus"][0]["processes"][0]
    assert (stranger["user"], stranger["command"]) == (None, None)
    viewer = get(logged_in(User.objects.create_user("viewer")), "/api/snapshot?host=node1")[1]["gpus"][0]["processes"][
        0
    ]
    assert (viewer["user"], "secret.py" in str(viewer["command"])) == ("mira", False)
