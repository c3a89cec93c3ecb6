"""A hub of two servers and two engines over real Redis and PostgreSQL: every server shows each host, and one engine at a time
judges and records them, whoever dies.
"""

from __future__ import annotations

import itertools
import json
import signal
import sys
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import pytest
from websockets.sync.client import connect

from tests.fleet.agents import Agent, host, in_database, is_live, make_codes
from tests.fleet.redis_server import PASSWORD, RedisServer, running_redis
from tests.postgresql.cluster import running_cluster
from tests.support.servers import Server, wait_for

pytestmark = pytest.mark.slow
RECORDS = "this engine judges and records the hosts from now on"
SECRET_KEY = "that the processes of the hub share"  # pragma: allowlist secret
ALWAYS = """
from monitor.models import AlertRule
AlertRule.objects.create(name="Always", metric="gpu.memory_total_bytes", comparator=">=", threshold=1, severity="info")
"""


class Hub(NamedTuple):
    first: Server
    second: Server
    redis: RedisServer
    new_engine: Callable[[], Server]
    """Started."""


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    """Both servers start at once, on an empty database."""
    with running_redis() as redis, running_cluster() as cluster, ExitStack() as stack:
        shared = {
            "redis_url": redis.url,
            "secret_key": SECRET_KEY,
            "telemetry_provider": "simulated",
            "simulated_gpus": 1,
        }
        url = cluster.new_database("hub")

        def new(name: str, *command: str) -> Server:
            folder = tmp_path_factory.mktemp(name)
            server = Server(
                folder, command=[sys.executable, "manage.py", *command], is_first_start=True, database_url=url, **shared
            )
            server.launch()
            stack.callback(server.stop)
            return server

        servers = [new("first", "serve"), new("second", "serve")]
        for server in servers:
            wait_for(server.listens, "the servers", seconds=120)
        engines: list[Server] = []

        def new_engine() -> Server:
            engines.append(new("engine", "engine"))
            return engines[-1]

        yield Hub(*servers, redis, new_engine)
        for server in (*servers, *engines):
            assert "Traceback" not in server.log
            assert PASSWORD not in server.log


def test_engine_takes_over_from_one_that_was_killed_and_nothing_is_lost_or_doubled(hub: Hub, tmp_path: Path) -> None:
    hub.first.manage("shell", "-v", "0", "-c", ALWAYS)
    killed = hub.new_engine()
    wait_for(lambda: RECORDS in killed.log, "the first engine", seconds=60)
    other = hub.new_engine()
    [code] = make_codes(hub.first, "node2")
    with Agent(tmp_path / "b", hub.first.url, "--code", code, poll_interval_ms=500):
        alert = wait_for(lambda: alert_of(hub.second, "node2"), "the alert, in the other server")
        wait_for(lambda: "waiting for the lock" in other.log, "the second engine", seconds=60)
        wait_for(lambda: is_live(hub.second, "node2"), "node2 in the second server")
        began = newest(hub)
        wait_for(lambda: newest(hub) > began + 5, "some readings")
        assert RECORDS not in other.log
        killed.stop(signal.SIGKILL)
        wait_for(lambda: RECORDS in other.log, "the second engine to take over")
        took_over = newest(hub)
        wait_for(lambda: newest(hub) > took_over + 5, "more readings")
        assert alert_of(hub.second, "node2") == alert
        until = newest(hub)
    assert other.stop() == 0  # it writes what it knows
    [series] = hub.first.json(f"/api/history?host=node2&metric=power_watts&from={began}&to={until - 1}&points=5000")[
        "series"
    ]
    assert series["gaps"] == []
    assert {round(after - before) for before, after in itertools.pairwise(series["time"])} == {1}
    assert max(series["seconds"]) <= 1.1
    count = "print(AlertEvent.objects.filter(host='node2', rule__name='Always').count())"
    events = in_database(hub.first, f"from monitor.models import AlertEvent\n{count}")
    assert events == ["1"]


def test_servers_of_a_hub_share_their_cookies(hub: Hub) -> None:
    """A browser is logged in to both, or to none."""
    names = set()
    for server in (hub.first, hub.second):
        with urllib.request.urlopen(f"{server.url}/login", timeout=20) as answer:
            names.add(answer.headers["Set-Cookie"].partition("=")[0])
    assert len(names) == 1


def newest(hub: Hub) -> float:
    """When node2 was read last."""
    return float((host(hub.second, "node2") or {})["sampled_at"])


def alert_of(server: Server, name: str) -> str | None:
    """The id of the open alert of the rule above, as the server shows it."""
    alerts = server.json("/api/snapshot")["alerts"]
    found = [each["id"] for each in alerts if (each["host"], each["rule"]) == (name, "Always")]
    return found[0] if found else None


def test_agent_of_one_process_is_live_in_the_other(hub: Hub, tmp_path: Path) -> None:
    [code] = make_codes(hub.first, "node1")
    with Agent(tmp_path / "a", hub.first.url, "--code", code) as agent:
        wait_for(lambda: is_live(hub.second, "node1"), "node1 in the second process")
        assert hub.second.json("/api/snapshot?host=node1")["host_id"] == agent.host_id
        with connect(f"{hub.second.ws}/ws/gpu?host=node1") as client:
            seqs = [json.loads(client.recv(20))["seq"] for _ in range(3)]
        assert seqs == sorted(set(seqs))
        hub.redis.stop()
        reason = wait_for(
            lambda: (found := host(hub.second, "node1")) and found["stale"] and found["stale_reason"], "the outage"
        )
        assert reason.startswith("Redis cannot be reached since ")
        assert hub.second.health()["problems"]["redis"] == reason
        assert is_live(hub.first, "node1")
        assert not hub.second.json("/api/snapshot")["stale"]
        hub.redis.start()
        wait_for(lambda: is_live(hub.second, "node1"), "node1 after the outage")
        wait_for(lambda: hub.second.health()["problems"].get("redis") != reason, "the end of the problem")
    wait_for(lambda: not is_live(hub.second, "node1"), "the end of the agent")
    with Agent(agent.folder, hub.second.url):
        wait_for(lambda: is_live(hub.first, "node1"), "node1, which is connected to the other process now")
        hub.second.stop(signal.SIGKILL)
        gone = wait_for(
            lambda: (found := host(hub.first, "node1")) and not found["is_connected"] and found,
            "the end of the process",
        )
        assert gone["gpu_count"] == 1
        hub.second.start()
