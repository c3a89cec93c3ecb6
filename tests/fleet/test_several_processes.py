"""A hub of two servers and two engines over real Redis and PostgreSQL: every server shows each host, and each host is judged and
recorded by one engine at a time, whoever dies.
"""

from __future__ import annotations

import itertools
import json
import re
import signal
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import psycopg
import pytest

from monitor.fleet.bus import streams
from monitor.fleet.bus.base import Newest
from monitor.fleet.bus.keys import client_of
from monitor.fleet.bus.outgoing import Reading, packed
from monitor.telemetry.schema import Xid
from tests.fleet.agents import Agent, host, in_database, is_live, make_codes
from tests.fleet.redis_server import PASSWORD, RedisServer, running_redis
from tests.postgresql.cluster import running_cluster
from tests.support import snapshots
from tests.support.servers import Server, wait_for
from tests.support.sockets import connect

pytestmark = pytest.mark.slow
XID = "GPU 0 reported Xid 79"
TAKES = re.compile(r"judges and records part (\d) of 4")
GIVES = re.compile(r"has given part (\d) of 4")
SECRET_KEY = "that the processes of the hub share"  # pragma: allowlist secret
ALWAYS = """
from monitor.models import AlertRule
AlertRule.objects.create(name="Always", metric="gpu.memory_total_bytes", comparator=">=", threshold=1, severity="info")
"""
BRIEF = "2" * 32
"""Of the first part: a host that sends a single reading, with an Xid error."""
JOINED = f"""
from monitor.models import FleetHost
FleetHost.objects.create(host_id="{BRIEF}", name="brief")
"""


class Hub(NamedTuple):
    first: Server
    second: Server
    redis: RedisServer
    database_url: str
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

        yield Hub(*servers, redis, url, new_engine)
        for server in (*servers, *engines):
            assert "Traceback" not in server.log
            assert PASSWORD not in server.log


def test_engines_share_the_hosts_and_whoever_dies_nothing_is_lost_or_doubled(hub: Hub, tmp_path: Path) -> None:
    hub.first.manage("shell", "-v", "0", "-c", ALWAYS + JOINED)
    engine = hub.new_engine()
    wait_for(lambda: len(parts_of(engine)) == 4, "the first engine", seconds=60)
    names = ("node2", "node3")
    with ExitStack() as stack:
        for name, digit in zip(names, "1d", strict=True):
            [code] = make_codes(hub.first, name)
            agent = Agent(tmp_path / name, hub.first.url, "--code", code, poll_interval_ms=500)
            (agent.folder / "host_id").write_text(digit * 32)  # of the first part and of the last
            stack.enter_context(agent)
            wait_for(lambda: is_live(hub.second, name), "the host in the second server")  # noqa: B023  # called at once
        alerts = wait_for(lambda: alerts_of(hub.second, names), "the alerts, in the other server")
        began = newest(hub)
        for is_first in (True, False):
            runs(hub, "with all parts in one engine")
            other = hub.new_engine()
            wait_for(
                lambda: len(parts_of(engine)) == len(parts_of(other)) == 2,  # noqa: B023  # called before the next round
                "equal parts",
                seconds=60,
            )
            runs(hub, "with two engines")
            if is_first:
                dies_before_it_writes_an_alert(hub, engine)
            else:
                engine.stop(signal.SIGKILL)
            wait_for(lambda: len(parts_of(other)) == 4, "the other engine to take over")  # noqa: B023
            engine = other
        runs(hub, "after the last engine has died")
        assert count_of_xid_alerts(hub) == 1
        assert XID not in engine.log  # it found the alert written
        assert alerts_of(hub.second, names) == alerts
        until = newest(hub)
    assert engine.stop(seconds=60) == 0  # it writes what it knows
    for name in names:
        query = f"host={name}&metric=power_watts&from={began}&to={until - 1}&points=5000"
        [series] = hub.first.json(f"/api/history?{query}")["series"]
        assert series["gaps"] == []
        # On a busy machine an agent reads late, and the next reading stands for the time since the last one.
        assert max(after - before for before, after in itertools.pairwise(series["time"])) <= 3
        assert sum(series["seconds"]) <= series["time"][-1] - series["time"][0] + 3
    fired = f"AlertEvent.objects.filter(rule__name='Always', host__in={names})"
    count = f"print(sorted({fired}.values_list('host', flat=True)))"
    assert in_database(hub.first, f"from monitor.models import AlertEvent\n{count}") == [str([*names])]


def test_servers_of_a_hub_share_their_cookies(hub: Hub) -> None:
    """A browser is logged in to both, or to none."""
    names = set()
    for server in (hub.first, hub.second):
        with urllib.request.urlopen(f"{server.url}/login", timeout=40) as answer:
            names.add(answer.headers["Set-Cookie"].partition("=")[0])
    assert len(names) == 1


def parts_of(engine: Server) -> set[str]:
    """The parts of the hosts that this engine judges and records, by its log."""
    parts: set[str] = set()
    for line in engine.log.splitlines():
        parts.update(TAKES.findall(line))
        parts.difference_update(GIVES.findall(line))
    return parts


def dies_before_it_writes_an_alert(hub: Hub, engine: Server) -> None:
    """It has the first part. It judges a reading that no other one follows, and cannot write the alert."""
    with psycopg.connect(hub.database_url) as connection:
        connection.execute("LOCK TABLE monitor_alertevent IN EXCLUSIVE MODE")
        now = time.time()
        gpu = snapshots.gpu(xids=(Xid(code=79, count=1, last_at=now),))
        snapshot = snapshots.host(gpu, host="brief", host_id=BRIEF, time=now, sampled_at=now)
        reading = Reading(BRIEF, 1, is_late=False, data=packed(Newest(number=1, snapshot=snapshot)))
        with client_of(hub.redis.url) as client, client.pipeline(transaction=False) as pipe:
            streams.add(pipe, (reading,), "test")
            pipe.execute()
        wait_for(lambda: XID in engine.log, "the alert in the engine")
        engine.stop(signal.SIGKILL)
        died_at = time.monotonic()
    wait_for(lambda: count_of_xid_alerts(hub) == 1, "the alert, which another engine writes")
    print(f"another engine has judged and written {time.monotonic() - died_at:.1f} s after the death")


def count_of_xid_alerts(hub: Hub) -> int:
    """In the database."""
    with psycopg.connect(hub.database_url) as connection:
        count = "SELECT count(*) FROM monitor_alertevent WHERE host_id = %s AND starts_with(summary, %s)"
        return connection.execute(count, (BRIEF, XID)).fetchall()[0][0]


def runs(hub: Hub, when: str) -> None:
    """Wait until every agent has been read some more times."""
    since = newest(hub)
    wait_for(lambda: newest(hub) > since + 3, f"readings {when}")


def newest(hub: Hub) -> float:
    """Until when both agents were read."""
    return min(float((host(hub.second, name) or {})["sampled_at"]) for name in ("node2", "node3"))


def alerts_of(server: Server, names: tuple[str, ...]) -> list[str] | None:
    """The ids of the open alerts of the rule above, as the server shows them; None before each host has one."""
    found = {each["host"]: each["id"] for each in server.json("/api/alerts")["alerts"] if each["rule"] == "Always"}
    return [found[name] for name in names] if found.keys() >= {*names} else None


def test_agent_of_one_process_is_live_in_the_other(hub: Hub, tmp_path: Path) -> None:
    [code] = make_codes(hub.first, "node1")
    with Agent(tmp_path / "a", hub.first.url, "--code", code) as agent:
        wait_for(lambda: is_live(hub.second, "node1"), "node1 in the second process")
        assert hub.second.json("/api/snapshot?host=node1")["host_id"] == agent.host_id
        with connect(f"{hub.second.ws}/ws/gpu?host=node1") as client:
            seqs = [json.loads(client.recv(40))["seq"] for _ in range(3)]
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
