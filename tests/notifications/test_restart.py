"""A restart of the real server under load: no alert is lost or sent twice; after kill -9, at most one message is repeated."""

from __future__ import annotations

import shutil
import signal
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.outbox_rows import SECRET
from tests.support.receivers import Receiver
from tests.support.servers import Server, wait_for

pytestmark = pytest.mark.slow

ALWAYS_FIRING = f"""
from monitor.models import AlertRule, Channel
AlertRule.objects.all().delete()
AlertRule.objects.create(name="Warmer than ice", kind="threshold", metric="gpu.temperature_celsius", comparator=">=",
    threshold=1, for_seconds=0, clear_for_seconds=0)
Channel.objects.create(name="receiver", signing_secret={SECRET!r})
"""
NO_LONGER = "UPDATE monitor_alertrule SET threshold = 500, updated_at = '2036-01-01'"
GPUS = 2

SERVERS = [
    pytest.param(None, id="serve"),
    pytest.param([sys.executable, "-m", "gunicorn", "-c", "deploy/gunicorn/gunicorn.conf.py"], id="gunicorn"),
]


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder whose only rule fires for every GPU and sends to a webhook."""
    server = Server(tmp_path_factory.mktemp("prepared"), telemetry_provider="simulated")
    server.manage("shell", "-c", ALWAYS_FIRING)
    return server.data_dir


@pytest.fixture
def server(prepared: Path, tmp_path: Path, receiver: Receiver, request: pytest.FixtureRequest) -> Iterator[Server]:
    """A server that has not started yet."""
    folder = shutil.copytree(prepared, tmp_path / "data")
    command = getattr(request, "param", None)
    server = Server(folder, command=command, telemetry_provider="simulated", simulated_gpus=GPUS, poll_interval_ms=200)
    server.sql("UPDATE monitor_channel SET url = ?", receiver.url)
    yield server
    server.stop()


def states(server: Server) -> list[tuple[Any, ...]]:
    return server.sql("SELECT gpu_index, state FROM monitor_alertevent ORDER BY 1, 2")


def told(receiver: Receiver) -> Counter[tuple[str, int]]:
    """The number of messages received for each kind and GPU."""
    return Counter(
        (request.json["type"], event["gpu_index"])
        for request in receiver.requests
        for event in request.json["data"]["events"]
    )


def each_gpu(kind: str, times: int = 1) -> dict[tuple[str, int], int]:
    return {(kind, gpu): times for gpu in range(GPUS)}


@pytest.mark.parametrize("server", SERVERS, indirect=True)
def test_message_being_sent_is_finished_before_shutdown_and_sent_once(server: Server, receiver: Receiver) -> None:
    receiver.go_on.clear()
    server.start()
    receiver.wait_for(1)
    assert server.process is not None
    server.process.send_signal(signal.SIGTERM)
    wait_for(lambda: not server.listens(), "it to take no more requests")
    receiver.go_on.set()
    server.stop()
    assert server.sql("SELECT status FROM monitor_delivery") == [("sent",)]

    server.start()
    wait_for(lambda: len(server.json("/api/snapshot").get("alerts", ())) == GPUS, "the alerts to be shown again")
    assert states(server) == [(gpu, "firing") for gpu in range(GPUS)]
    server.sql(NO_LONGER)
    wait_for(lambda: told(receiver).total() >= 2 * GPUS, "the end to be told")
    assert told(receiver) == each_gpu("alert.fired") | each_gpu("alert.resolved")
    assert states(server) == [(gpu, "resolved") for gpu in range(GPUS)]


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_waiting_message_is_sent_once_by_the_next_server(
    server: Server, receiver: Receiver, how: signal.Signals
) -> None:
    """A message waits some seconds for its group: enough time to stop the server."""
    server.start()
    wait_for(lambda: server.sql("SELECT 1 FROM monitor_delivery WHERE status = 'waiting'"), "a message")
    server.stop(how)
    # On a busy machine a graceful shutdown can take longer than the message waits; the server then sends it itself.
    assert how == signal.SIGTERM or not receiver.requests
    server.start()
    wait_for(lambda: server.sql("SELECT status FROM monitor_delivery") == [("sent",)], "it to be sent")
    assert told(receiver) == each_gpu("alert.fired")
    assert states(server) == [(gpu, "firing") for gpu in range(GPUS)]


def test_server_killed_during_sending_sends_again_with_the_same_id(server: Server, receiver: Receiver) -> None:
    receiver.go_on.clear()
    server.start()
    receiver.wait_for(1)
    server.stop(signal.SIGKILL)
    receiver.go_on.set()
    server.start()
    wait_for(lambda: server.sql("SELECT status FROM monitor_delivery") == [("sent",)], "it to be sent")
    assert told(receiver) == each_gpu("alert.fired", 2)
    assert len({request.headers["webhook-id"] for request in receiver.requests}) == 1
    assert states(server) == [(gpu, "firing") for gpu in range(GPUS)]
