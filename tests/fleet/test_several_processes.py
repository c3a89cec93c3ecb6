"""A hub of two servers over real Redis and PostgreSQL: both show an agent that is connected to one of them."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import pytest
from websockets.sync.client import connect

from tests.fleet.agents import Agent, host, is_live, make_codes
from tests.fleet.redis_server import PASSWORD, RedisServer, running_redis
from tests.postgresql.cluster import running_cluster
from tests.support.servers import Server, wait_for

pytestmark = pytest.mark.slow
RECORDS = "this process judges and records the host it runs on"


class Hub(NamedTuple):
    first: Server
    second: Server
    redis: RedisServer


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    """Both start at once, on an empty database."""
    with running_redis() as redis, running_cluster() as cluster, ExitStack() as stack:
        servers = [
            Server(
                tmp_path_factory.mktemp(name),
                is_first_start=True,
                database_url=cluster.new_database("hub") if name == "first" else cluster.url("hub"),
                redis_url=redis.url,
                secret_key="that the processes of the hub share",  # pragma: allowlist secret
                telemetry_provider="simulated",
                simulated_gpus=1,
            )
            for name in ("first", "second")
        ]
        for server in servers:
            stack.callback(server.stop)
            process = server.launch()
        for server in servers:
            wait_for(lambda: server.listens() or process.poll() is not None, "the servers", seconds=120)  # noqa: B023
        yield Hub(*servers, redis)
        for server in servers:
            assert "Traceback" not in server.log
            assert PASSWORD not in server.log


def test_agent_of_one_process_is_live_in_the_other(hub: Hub, tmp_path: Path) -> None:
    wait_for(lambda: RECORDS in hub.first.log + hub.second.log, "the process that records")
    assert (hub.first.log + hub.second.log).count(RECORDS) == 1
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
        wait_for(lambda: "redis" not in hub.second.health()["problems"], "the end of the problem")
    wait_for(lambda: not is_live(hub.second, "node1"), "the end of the agent")
    with Agent(agent.folder, hub.second.url):
        wait_for(lambda: is_live(hub.first, "node1"), "node1, which is connected to the other process now")
        hub.second.stop(signal.SIGKILL)
        gone = wait_for(
            lambda: (found := host(hub.first, "node1")) and not found["is_connected"] and found,
            "the end of the process",
        )
        assert gone["gpu_count"] == 1
