"""A real agent at a real hub: joining, coming back, and every way to be refused."""

from __future__ import annotations

import json
import shutil
import signal
import stat
from pathlib import Path

import pytest
from websockets.exceptions import InvalidStatus

from tests.fleet.agents import Agent, host, in_database, is_live, make_codes
from tests.support.servers import Server, wait_for
from tests.support.sockets import connect

pytestmark = pytest.mark.slow


def test_agent_joins_by_a_code_and_comes_back_by_its_key(hub: Server, tmp_path: Path) -> None:
    [code] = make_codes(hub, "node1")
    with Agent(tmp_path / "a", hub.url, "--code", code) as agent:
        wait_for(lambda: is_live(hub, "node1"), "node1")
        assert stat.S_IMODE((agent.folder / "agent_key").stat().st_mode) == 0o600
        for wanted in ("node1", agent.host_id):
            with connect(f"{hub.ws}/ws/gpu?host={wanted}") as client:
                assert [json.loads(client.recv(40))["host_id"] for _ in range(2)] == [agent.host_id] * 2
        with pytest.raises(InvalidStatus), connect(f"{hub.ws}/ws/gpu?host=node2"):
            pass
        offset = wait_for(lambda: (host(hub, "node1") or {}).get("clock_offset_seconds"), "the offset of its clock")
        assert abs(offset) < 20  # off by half a round trip
    found = wait_for(lambda: (row := host(hub, "node1")) and not row["is_connected"] and row, "the end of the agent")
    assert found["host_id"] == agent.host_id
    assert found["gpu_count"] == 1
    assert code not in agent.log
    with Agent(agent.folder, hub.url) as agent:  # without the code
        wait_for(lambda: is_live(hub, "node1"), "node1 again")
        pid = hub.process
        hub.stop()
        hub.start()
        assert pid is not hub.process
        wait_for(lambda: is_live(hub, "node1"), "node1 after the hub's restart")
        assert agent.stop(signal.SIGHUP) == 0, "with its terminal"
    names = [each["name"] for each in hub.json("/api/hosts")["hosts"]]
    assert names[1:].count("node1") == 1
    assert hub.json("/api/hosts")["hosts"][0]["is_hub"]


def test_agent_without_a_valid_code_is_told_what_to_do(hub: Server, tmp_path: Path) -> None:
    expired, used = make_codes(hub, "late", "twice")
    in_database(hub, "JoinCode.objects.filter(name='late').update(expires_at=now)")
    with Agent(tmp_path / "first", hub.url, "--code", used):
        wait_for(lambda: is_live(hub, "twice"), "the first use")
        for name, options, words in (
            ("none", [], "This host has no key yet"),
            ("wrong", ["--code", "gpumonjoin_wrong"], "The code is wrong, or belongs to another hub"),
            ("expired", ["--code", expired], "The code has expired"),
            ("used", ["--code", used], "The code has been used by another host"),
        ):
            with Agent(tmp_path / name, hub.url, *options) as agent:
                agent.says(words)
                agent.says("Settings, Hosts, Add")
        assert "was refused: The code has expired" in hub.log


def test_revoked_agent_is_disconnected_and_its_old_code_does_not_help(hub: Server, tmp_path: Path) -> None:
    [code] = make_codes(hub, "gone")
    with Agent(tmp_path / "a", hub.url, "--code", code) as agent:
        wait_for(lambda: is_live(hub, "gone"), "the agent")
        in_database(hub, "FleetHost.objects.filter(name='gone').update(state='revoked')")
        wait_for(lambda: not is_live(hub, "gone"), "the end of its connection")
        agent.says("has revoked the key of this host")
    [new] = make_codes(hub, "")
    with Agent(agent.folder, hub.url, "--code", new):
        wait_for(lambda: is_live(hub, "gone"), "the agent with a new code")


def test_copied_data_folder_is_noticed_while_the_original_is_connected(hub: Server, tmp_path: Path) -> None:
    """On one machine, it would be the agent that comes back before its old connection is known to be broken."""
    [code] = make_codes(hub, "original")
    with Agent(tmp_path / "a", hub.url, "--code", code) as agent:
        wait_for(lambda: is_live(hub, "original"), "the original")
        shutil.copytree(agent.folder, tmp_path / "copy", ignore=shutil.ignore_patterns("*.log"))
        with Agent(tmp_path / "copy", hub.url, "--name", "clone", boot_id="another") as copy:
            copy.says("Two machines have this host id")
            copy.says("On the copy, delete the files host_id and agent_key")
            found = host(hub, "original")
            assert found is not None
            assert "One is a copy of the other" in found["problem"]
            assert "connected again" not in agent.log
        with Agent(tmp_path / "copy", hub.url) as back:
            back.says("connected to the hub")
            agent.says("The agent has connected again.")


def test_same_machine_with_a_new_id_waits_for_an_administrator(hub: Server, tmp_path: Path) -> None:
    first, second = make_codes(hub, "before", "after")
    with Agent(tmp_path / "before", hub.url, "--code", first) as before:
        wait_for(lambda: is_live(hub, "before"), "the host before it is reinstalled")
    in_database(hub, "FleetHost.objects.filter(name='before').update(tags=['lab'])")
    with Agent(tmp_path / "after", hub.url, "--code", second) as after:
        after.says("The hub knows this machine as before")
        in_database(hub, f"registry.replace(FleetHost.objects.get(host_id='{after.host_id}'))")
    with Agent(after.folder, hub.url, "--code", second):
        wait_for(lambda: is_live(hub, "before"), "the reinstalled host under its old name")
    found = host(hub, "before")
    assert found is not None
    assert (found["host_id"], found["tags"]) == (after.host_id, ["lab"])
    with Agent(before.folder, hub.url) as retired:
        retired.says("marked this host as retired")
