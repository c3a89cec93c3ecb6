"""The alerts of a real agent at a real hub."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.fleet.agents import Agent, in_database, is_live, make_codes
from tests.support.servers import Server, wait_for

pytestmark = pytest.mark.slow

RULES = """
from monitor.models import AlertRule
AlertRule.objects.all().delete()
AlertRule.objects.create(name="Always", metric="gpu.utilization_percent", comparator=">=", threshold=0, for_seconds=0,
                         hosts="node*")
AlertRule.objects.create(name="Host down", kind="host_down", severity="critical", for_seconds=0)
"""


def open_of(hub: Server, query: str = "") -> dict[str, dict[str, Any]]:
    return {each["rule"]: each for each in hub.json(f"/api/alerts{query}")["alerts"]}


def test_host_goes_down_is_told_once_and_returns(hub: Server, tmp_path: Path) -> None:
    in_database(hub, RULES)
    [code] = make_codes(hub, "node1")
    with Agent(tmp_path / "a", hub.url, "--code", code) as agent:
        wait_for(lambda: is_live(hub, "node1"), "node1")
        first = wait_for(lambda: open_of(hub).get("Always"), "the alert of its GPU")
        assert (first["host"], first["host_id"]) == ("node1", agent.host_id)
        assert [each["id"] for each in hub.json("/api/snapshot?host=node1")["alerts"]] == [first["id"]]
        wait_for(lambda: "Processes when it fired" in hub.get(f"/alerts/{first['id']}")[1], "its evidence")
    down = wait_for(lambda: open_of(hub, "?host=node1").get("Host down"), "the alert that it is down")
    assert down["summary"].startswith("node1 went down · last reading ")
    assert "A host that is down sends no readings" in hub.get(f"/alerts/{down['id']}")[1]
    hub.stop()
    hub.start()
    kept = wait_for(lambda: len(found := open_of(hub, "?host=node1")) == 2 and found, "the alerts after a restart")
    assert {each["id"] for each in kept.values()} == {first["id"], down["id"]}
    with Agent(agent.folder, hub.url):
        wait_for(lambda: open_of(hub).keys() == {"Always"}, "the end of the alert")
        assert open_of(hub)["Always"]["id"] == first["id"]
        [over] = hub.json("/api/alerts?state=resolved&host=node1")["history"]
        assert (over["id"], over["resolved_because"]) == (down["id"], "the host sends readings again")
        in_database(hub, "FleetHost.objects.filter(name='node1').update(state='retired')")
        wait_for(lambda: not open_of(hub), "the end of all alerts of a retired host")
    ended = {
        each["id"]: each["resolved_because"] for each in hub.json("/api/alerts?state=resolved&host=node1")["history"]
    }
    assert ended[first["id"]] == "the host was retired"
