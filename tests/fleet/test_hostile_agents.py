"""What agents must not do, against the real daphne and the real uvicorn: garbage, sizes, other hosts' names, floods."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection

from monitor.fleet import protocol
from monitor.fleet.protocol import Hello, HubMessage, Pong, Refused, Welcome
from tests.fleet.agents import host, in_database, make_codes
from tests.support.hostile import NAMES
from tests.support.servers import Server, wait_for
from tests.support.snapshots import gpu, process
from tests.support.snapshots import host as snapshot
from tests.support.sockets import connect

pytestmark = pytest.mark.slow
UVICORN = [str(Path(sys.executable).with_name("uvicorn")), "--host", "127.0.0.1", "--port", "{port}", "--ws-max-size", "65536",
           "gpumon_site.asgi:application"]  # fmt: skip
HELLO = Hello(protocol=1, version="0.1.0", host_id="ab" * 16, host="gpu01", sent_at=1.0)


@pytest.fixture(scope="module", params=["daphne", "uvicorn"])
def hub(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    command = UVICORN if request.param == "uvicorn" else None
    server = Server(tmp_path_factory.mktemp("hub"), command=command, telemetry_provider="simulated").start()
    try:
        yield server
        assert "Traceback" not in server.log
    finally:
        server.stop()


@pytest.fixture(scope="module")
def key(hub: Server) -> str:
    """The key of a host with the id of HELLO."""
    [code] = make_codes(hub, "gpu01")
    with open_agent(hub) as agent:
        agent.send(protocol.encode(msgspec.structs.replace(HELLO, code=code)))
        welcome = answer(agent)
    assert isinstance(welcome, Welcome)
    assert welcome.key is not None
    return welcome.key


def open_agent(hub: Server, key: str | None = None) -> ClientConnection:
    headers = {} if key is None else {"Authorization": f"Bearer {key}"}
    return connect(f"{hub.ws}/ws/agent", additional_headers=headers, compression=None)


def answer(agent: ClientConnection) -> HubMessage | None:
    return protocol.decode_from_hub(bytes(agent.recv(timeout=40, decode=False)))


def refusal(agent: ClientConnection) -> Refused:
    """The next one, after any pings; then the socket is closed."""
    while not isinstance(found := answer(agent), Refused):
        pass
    with pytest.raises(ConnectionClosed):
        agent.recv(timeout=40)
    return found


@contextmanager
def admitted(hub: Server, key: str) -> Iterator[ClientConnection]:
    with open_agent(hub, key) as agent:
        agent.send(protocol.encode(HELLO))
        assert isinstance(answer(agent), Welcome)
        yield agent


def message(**changes: Any) -> bytes:
    given = msgspec.structs.replace(snapshot(gpu(0), time=1.8e9, sampled_at=1.8e9), **changes)
    return msgspec.msgpack.encode({"type": "snapshot", "snapshot": given})


def send_and_drain(agent: ClientConnection, data: bytes) -> None:
    """Send, and receive until the socket is closed, possibly before everything is sent."""
    agent.send(data)
    while True:
        agent.recv(timeout=40)


@pytest.mark.parametrize(
    "first",
    ["text", b"", b"\xff" * 100, b"\x91" * 16_000, protocol.encode(Pong(number=1, time=1.0)),
     b"x" * (protocol.MAX_HELLO_BYTES + 1)],
    ids=["text", "empty", "garbage", "nested", "no hello", "too large"],
)  # fmt: skip
def test_first_message_must_be_a_hello(hub: Server, first: str | bytes) -> None:
    with open_agent(hub) as agent:
        agent.send(first)
        assert refusal(agent).code == "invalid"


def test_messages_above_the_servers_own_limit_are_for_admitted_agents(hub: Server, key: str) -> None:
    with open_agent(hub) as stranger:
        stranger.send(b"x" * 100_000)
        with pytest.raises(ConnectionClosed):
            stranger.recv(timeout=40)
    with admitted(hub, key) as agent:
        processes = tuple(process(pid) for pid in range(3000))
        large = message(gpus=(gpu(0, processes=processes), gpu(1)))
        assert len(large) > 500_000
        agent.send(large)
        wait_for(lambda: (found := host(hub, "gpu01")) and found["gpu_count"] == 2, "the large snapshot")
        with pytest.raises(ConnectionClosed):
            send_and_drain(agent, b"x" * (protocol.MAX_MESSAGE_BYTES + 1))


@pytest.mark.parametrize(
    "wrong",
    ["text", b"\xff", msgspec.msgpack.encode({"type": "snapshot", "snapshot": {}}), message(time=float("nan"))],
    ids=["text", "garbage", "incomplete", "not a number"],
)
def test_admitted_agent_is_told_what_is_wrong_with_a_message(hub: Server, key: str, wrong: str | bytes) -> None:
    with admitted(hub, key) as agent:
        agent.send(wrong)
        found = refusal(agent)
    assert found.code == "invalid"
    assert found.text.startswith("The hub cannot read a message of the agent: ")


def test_agent_speaks_for_its_own_host_in_harmless_names(hub: Server, key: str) -> None:
    with admitted(hub, key) as agent:
        for name in NAMES:
            agent.send(message(host="hub", host_id="cd" * 16, driver_version=name))
        agent.send(message(host="hub", host_id="cd" * 16, driver_version="last\x1b[31m\u202e"))
        wait_for(lambda: (found := host(hub, "gpu01")) and found["driver_version"] == "last [31m", "the last message")
    assert [each["host_id"] for each in hub.json("/api/hosts")["hosts"]][1:] == [HELLO.host_id]


def test_unknown_messages_are_skipped(hub: Server, key: str) -> None:
    with admitted(hub, key) as agent:
        agent.send(msgspec.msgpack.encode({"type": "of a later version", "data": 1}))
        agent.send(message(driver_version="after it"))
        wait_for(lambda: (found := host(hub, "gpu01")) and found["driver_version"] == "after it", "the next message")


def test_flood_ends_the_connection(hub: Server, key: str) -> None:
    with admitted(hub, key) as agent:
        pong = protocol.encode(Pong(number=0, time=1.0))
        try:
            for _ in range(5000):
                agent.send(pong)
        except ConnectionClosed:
            return
        assert refusal(agent).code == "too_many"


def test_key_of_another_host_is_refused(hub: Server, key: str) -> None:
    with open_agent(hub, key) as agent:
        agent.send(protocol.encode(msgspec.structs.replace(HELLO, host_id="cd" * 16)))
        assert refusal(agent).code == "other_host"


def test_host_id_of_the_hub_is_refused(hub: Server) -> None:
    own = hub.json("/api/hosts")["hosts"][0]["host_id"]
    with open_agent(hub) as agent:
        agent.send(protocol.encode(msgspec.structs.replace(HELLO, host_id=own)))
        assert refusal(agent).code == "is_hub"


def test_rows_of_the_registry_are_written_down_when_the_hub_ends(hub: Server, key: str) -> None:
    with admitted(hub, key):
        wait_for(lambda: (found := host(hub, "gpu01")) and found["is_connected"], "the connection")
        in_database(hub, "FleetHost.objects.update(last_seen_at=None)")  # it is set when a host joins
        hub.stop()
        seen = in_database(hub, "print(FleetHost.objects.get(name='gpu01').last_seen_at is not None)")
        hub.start()
    assert seen == ["True"]
