"""The WebSockets under real daphne, with a real client: feed, dashboard, refusals and misbehaving clients."""

from __future__ import annotations

import json
import socket
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from typing import Any

import psutil
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection

from tests.support.deaf_clients import HANDSHAKE, PING, REQUEST, deaf_client, memory
from tests.support.published_schema import check
from tests.support.servers import Server, wait_for
from tests.support.sockets import connect

pytestmark = pytest.mark.slow


def feed(server: Server, query: str = "", **options: Any) -> ClientConnection:
    return connect(f"{server.ws}/ws/gpu{query}", **options)


def page(server: Server, origin: str | None = "", view: str = "cards") -> ClientConnection:
    address = f"{server.ws}/ws/dashboard?view={view}"
    return connect(address, origin=server.url if origin == "" else origin)


def clients(server: Server) -> int:
    return sum(server.health()["clients"].values())


def closed_with(client: ClientConnection) -> int:
    """The code with which the server closes the socket, after any further messages."""
    with pytest.raises(ConnectionClosed) as end:
        drain(client)
    assert end.value.rcvd is not None
    return end.value.rcvd.code


def send_and_drain(client: ClientConnection, message: str) -> None:
    """Send, and receive until the socket is closed, possibly before everything is sent."""
    client.send(message)
    drain(client)


def drain(client: ClientConnection) -> None:
    """Receive until the socket is closed."""
    for _ in range(200):
        client.recv(timeout=40)


# ── Messages ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_feed_sends_whole_snapshots_that_match_the_published_schema(server: Server) -> None:
    schema = server.json("/api/schema")
    with feed(server) as client:
        snapshots = [json.loads(client.recv(timeout=40)) for _ in range(3)]
    for snapshot in snapshots:
        check(snapshot, schema)
    assert [len(snapshot["gpus"]) for snapshot in snapshots] == [8, 8, 8]
    seqs = [snapshot["seq"] for snapshot in snapshots]
    assert seqs == sorted(set(seqs))


def test_feed_rate_can_be_lowered_by_the_url_and_by_a_message(server: Server) -> None:
    with feed(server, "?hz=2") as client:
        first, second = (json.loads(client.recv(timeout=40))["seq"] for _ in range(2))
        assert second - first >= 4
        client.send('{"hz": 30}')
        seqs = [json.loads(client.recv(timeout=40))["seq"] for _ in range(30)]
        assert 1 in {later - earlier for earlier, later in pairwise(seqs)}


def test_page_receives_everything_first_and_then_changes(server: Server) -> None:
    with page(server) as client:
        full, delta, *later = [json.loads(client.recv(timeout=40)) for _ in range(30)]
    assert (full["kind"], delta["kind"]) == ("full", "delta")
    assert len(full["points"]["gpus"]) == 8
    assert '<hx-part id="overview"' in full["content"]
    assert '<hx-part id="overview"' not in delta["content"]
    assert 0 < len(delta["content"]) < len(full["content"])
    # A reading of one GPU can equal the previous one.
    assert any('"g0-' in each["content"] for each in (delta, *later) if each["kind"] == "delta")
    assert any(each["points"]["time"] for each in (delta, *later))
    schema = server.json("/api/schema")
    for message in (full, delta, later[-1]):
        check(message, schema, "PageMessage")


def test_page_of_one_gpu_receives_its_own_pieces_and_points(server: Server) -> None:
    uuid = server.json("/api/snapshot")["gpus"][3]["uuid"]
    with page(server, view=f"gpu:{uuid}") as client:
        message = json.loads(client.recv(timeout=40))
    assert message["points"]["gpus"] == [uuid]
    assert "power_watts" in message["points"]["series"]
    assert '"c-p":' in message["content"]


def test_page_of_tiles_shows_gpus_as_tiles(server: Server) -> None:
    with page(server, view="tiles") as client:
        assert 'class="tile"' in json.loads(client.recv(timeout=40))["content"]


def test_nonexistent_page_is_refused(server: Server) -> None:
    with pytest.raises(InvalidStatus), page(server, view="other"):
        pass


def test_connecting_page_receives_the_last_minute(server: Server) -> None:
    wait_for(lambda: server.json("/api/snapshot")["seq"] > 15, "a few readings")
    with page(server) as client:
        assert len(json.loads(client.recv(timeout=40))["points"]["time"]) > 10


def test_snapshots_of_many_gpus_are_sent_whole_despite_the_limit_for_clients(tmp_path: Path) -> None:
    """Regression: autobahn applied its message limit to sent messages too; with 64 GPUs every socket ended with 1011."""
    server = Server(tmp_path, telemetry_provider="simulated", simulated_gpus=256).start()
    try:
        wait_for(lambda: server.get("/api/health")[0] == 200, "readings")
        with feed(server, max_size=None) as client:
            message = client.recv(timeout=40)
            assert len(message) > 1 << 20
            assert len(json.loads(message)["gpus"]) == 256
            client.send("x" * 70_000)
            with pytest.raises(ConnectionClosed):
                drain(client)
    finally:
        server.stop()


# ── Refused handshakes ────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("path", ["/ws/gpu", "/ws/dashboard"])
def test_page_of_another_site_is_refused(server: Server, path: str) -> None:
    with pytest.raises(InvalidStatus) as refused, connect(server.ws + path, origin="http://evil.example"):
        pass
    assert refused.value.response.status_code == 403


def test_program_without_origin_can_read_the_feed_and_not_the_dashboard(server: Server) -> None:
    with feed(server) as client:
        assert client.recv(timeout=40)
    with pytest.raises(InvalidStatus), page(server, origin=None):
        pass


@pytest.mark.parametrize(
    "path", ["/ws/other", "/ws/gpu/x", "/", "/ws/gpu?hz=0", "/ws/gpu?hz=1000", "/ws/gpu?hz=x", "/ws/gpu?hz=nan"]
)
def test_other_paths_and_invalid_rates_are_refused(server: Server, path: str) -> None:
    with pytest.raises(InvalidStatus) as refused, connect(server.ws + path):
        pass
    assert refused.value.response.status_code == 403


# ── Misbehaving clients ──────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("message", "code"),
    [
        (b"\x00\xff", 4003),
        ("not json", 4007),
        ('{"hz": "fast"}', 4007),
        ('{"hz": 0}', 4007),
        ('{"hz": 1, "more": 2}', 4007),
        ("[" * 4000, 4007),
        ("x" * 5000, 4009),
    ],
)
def test_invalid_message_closes_only_its_socket(server: Server, message: str | bytes, code: int) -> None:
    with feed(server) as bystander, feed(server) as client:
        client.send(message)
        assert closed_with(client) == code
        assert bystander.recv(timeout=40)


def test_message_of_megabytes_is_refused_before_it_is_complete(server: Server) -> None:
    with feed(server) as bystander, feed(server) as client:
        with pytest.raises(ConnectionClosed):
            send_and_drain(client, "x" * 3_000_000)
        assert bystander.recv(timeout=40)


def test_page_that_sends_a_message_is_closed(server: Server) -> None:
    with page(server) as client:
        client.send("{}")
        assert closed_with(client) == 4003


def test_garbage_instead_of_a_frame_closes_only_its_socket(server: Server) -> None:
    with feed(server) as client:
        client.socket.sendall(b"\xff" * 64)
        with pytest.raises(ConnectionClosed):
            drain(client)
    wait_for(lambda: server.health()["status"] == "ok", "it to be well")


def rss(server: Server) -> int:
    assert server.process is not None
    return int(psutil.Process(server.process.pid).memory_info().rss)


def test_client_that_never_reads_delays_no_other_and_uses_no_memory(server: Server) -> None:
    with closing(socket.create_connection(("127.0.0.1", server.port))) as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.sendall(
            b"GET /ws/gpu HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
        wait_for(lambda: clients(server) >= 1, "the deaf client to be admitted")
        with feed(server) as client:
            for _ in range(60):  # six seconds at 25 kB a message fill the buffers of the client that never reads
                client.recv(timeout=40)
            before = rss(server)
            for _ in range(60):
                client.recv(timeout=40)
        assert rss(server) - before < 1_000_000
    wait_for(lambda: clients(server) == 0, "the deaf client to be released")


@pytest.mark.parametrize(("begins", "repeats"), [(HANDSHAKE, PING), (b"", REQUEST)], ids=["pings", "requests"])
def test_answers_to_a_client_that_never_reads_use_no_memory(server: Server, begins: bytes, repeats: bytes) -> None:

    def growth() -> int:
        before = memory(server)
        with deaf_client(server, begins=begins, repeats=repeats), feed(server) as other:
            assert other.recv(timeout=40)
            return memory(server) - before

    assert any(growth() < 8 << 20 for _round in range(3)), "the first rounds fill caches"
    wait_for(lambda: clients(server) == 0, "the deaf client to be released")


def test_pipelined_requests_are_all_answered_though_the_client_reads_late(server: Server) -> None:
    with closing(socket.create_connection(("127.0.0.1", server.port))) as client:
        client.settimeout(20)
        client.sendall(b"GET /api/schema HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" * 199)
        client.sendall(b"GET /api/schema HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
        wait_for(lambda: clients(server) == 0, "the server to have begun")
        received = b"".join(iter(lambda: client.recv(1 << 16), b""))
    assert received.count(b"HTTP/1.1 200 OK") == 200


def test_hundreds_of_connects_and_disconnects_leave_nothing_behind(server: Server) -> None:
    """A leak grows the memory in every round. The allocator's arenas and the readings kept for charts do so in some."""
    assert server.process is not None
    process = psutil.Process(server.process.pid)

    def storm() -> None:
        for turn in range(200):
            with feed(server) if turn % 2 else page(server) as client:
                if turn % 3:
                    client.recv(timeout=40)
                if not turn % 5:
                    client.socket.shutdown(socket.SHUT_RDWR)  # as when a laptop is closed
        wait_for(lambda: clients(server) == 0, "all clients to be gone")

    def growth() -> int:
        before = rss(server)
        storm()
        return rss(server) - before

    storm()
    descriptors, threads = process.num_fds(), process.num_threads()
    assert any(growth() < 2_000_000 for _round in range(8))
    wait_for(lambda: process.num_fds() <= descriptors + 2, "the descriptors to be closed")
    assert process.num_threads() <= threads + 1
    assert "Traceback" not in server.log


# ── Start and end ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_sigterm_stops_server_with_clients_and_its_sampler(tmp_path: Path) -> None:
    """One without clients is stopped in tests/live/conftest.py."""
    server = Server(tmp_path, telemetry_provider="simulated").start()
    pid = wait_for(lambda: server.health()["sampler_pid"], "the sampler")
    with feed(server), page(server):
        server.stop()
        wait_for(lambda: not psutil.pid_exists(pid), "the sampler to be gone")


def test_sampler_of_a_killed_server_exits(tmp_path: Path) -> None:
    server = Server(tmp_path, telemetry_provider="simulated").start()
    pid = wait_for(lambda: server.health()["sampler_pid"], "the sampler")
    assert server.process is not None
    server.process.kill()
    server.process.wait()
    wait_for(lambda: not psutil.pid_exists(pid), "the sampler to end with its parent")
