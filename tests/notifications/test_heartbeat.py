"""Heartbeats, to a real receiver: sent while gpumon works, and only then."""

from __future__ import annotations

import logging
from pathlib import Path

import msgspec
import pytest

from monitor.notifications.address_guard import FORBIDDEN_HEARTBEAT
from monitor.notifications.heartbeat import INTERVAL_SECONDS, Heartbeat
from monitor.telemetry.schema import Snapshot
from tests.support.receivers import Receiver
from tests.support.servers import Server, wait_for
from tests.support.snapshots import gpu, host

pytestmark = pytest.mark.slow  # each heartbeat is sent by a process of its own

CURRENT = host(gpu(), poll_interval_seconds=1.0)


class Scene:
    """A heartbeat whose clock stands still. `pass_time` also brings a snapshot, unless told otherwise."""

    def __init__(self, url: str, **options: bool) -> None:
        self.now = 0.0
        self.snapshot: Snapshot | None = CURRENT
        self.problems: dict[str, str] = {}
        self.heartbeat = Heartbeat(url, problems=lambda: self.problems, monotonic=lambda: self.now, **options)

    def pass_time(self, seconds: float) -> None:
        self.now += seconds
        if self.snapshot is not None:
            self.heartbeat.take(self.snapshot)
        self.heartbeat.look()


@pytest.fixture
def scene(receiver: Receiver) -> Scene:
    return Scene(receiver.url)


def test_first_current_reading_sends_one_and_then_each_minute_does(scene: Scene, receiver: Receiver) -> None:
    scene.heartbeat.look()
    assert receiver.requests == []
    for seconds in (1, INTERVAL_SECONDS - 1, 1, INTERVAL_SECONDS - 1):
        scene.pass_time(seconds)
    assert [(got.method, got.path, got.body) for got in receiver.requests] == [
        ("GET", "/hook/S3CRETPATH?key=S3CRETQUERY", b"")
    ] * 2
    assert scene.heartbeat.problem is None


TROUBLE: dict[str, tuple[Snapshot | None, dict[str, str]]] = {
    "stale": (msgspec.structs.replace(CURRENT, stale=True), {}),
    "no data source": (msgspec.structs.replace(CURRENT, sampled_at=None), {}),
    "the thread that makes snapshots has ended": (None, {}),
    **{stage: (CURRENT, {stage: "it does not work"}) for stage in ("alerts", "database", "data")},
}


def test_none_is_sent_while_an_alert_could_be_missed(scene: Scene, receiver: Receiver) -> None:
    scene.pass_time(1)
    for trouble, (snapshot, problems) in TROUBLE.items():
        scene.snapshot, scene.problems = snapshot, problems
        scene.pass_time(INTERVAL_SECONDS)
        assert len(receiver.requests) == 1, trouble
    scene.snapshot, scene.problems = CURRENT, {"history": "the disk is full"}
    scene.pass_time(5)
    assert len(receiver.requests) == 2


def test_refusal_is_logged_once_and_a_problem_until_one_is_accepted(
    scene: Scene, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    receiver.answer = lambda number: 404 if number <= 2 else 200
    scene.pass_time(1)
    scene.pass_time(INTERVAL_SECONDS)
    assert scene.heartbeat.problem == "the heartbeat was not accepted: The server answered 404 Not Found."
    scene.pass_time(INTERVAL_SECONDS)
    assert scene.heartbeat.problem is None
    assert [record.message for record in caplog.records] == [
        "the heartbeat was not accepted: The server answered 404 Not Found.",
        "recovered: the heartbeat is accepted",
    ]


def test_private_address_can_be_forbidden(receiver: Receiver) -> None:
    scene = Scene(f"http://{receiver.hostport}/ping", forbids_private=True)
    scene.pass_time(1)
    assert scene.heartbeat.problem == f"the heartbeat was not accepted: {FORBIDDEN_HEARTBEAT}"
    assert receiver.requests == []


def test_server_sends_heartbeats_and_shows_a_failure_without_the_address(tmp_path: Path, receiver: Receiver) -> None:
    receiver.answer = lambda _number: 503
    server = Server(tmp_path, telemetry_provider="simulated", heartbeat_url=receiver.url).start()
    try:
        problem = wait_for(lambda: server.health()["problems"].get("heartbeat"), "the problem of the heartbeat")
        assert problem == "the heartbeat was not accepted: The server answered 503 Service Unavailable."
        assert receiver.requests[0].method == "GET"
        shown = server.get("/api/config")[1] + server.get("/api/health")[1] + server.log
        assert "S3CRET" not in shown
        assert receiver.hostport not in shown
    finally:
        server.stop()
