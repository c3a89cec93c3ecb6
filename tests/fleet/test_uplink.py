"""The agent's side of the connection, against a hub that vanishes, refuses and comes back."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from monitor.fleet.agent.agent_key import AgentKey
from monitor.fleet.agent.backlog import Backlog
from monitor.fleet.agent.connection import Connection, Disconnected, RefusedByHub, address_of
from monitor.fleet.agent.retries import Retries
from monitor.fleet.agent.uplink import Uplink
from monitor.fleet.protocol import Hello, Refused, Welcome
from tests.fleet.stub_hub import StubHub
from tests.support.servers import wait_for
from tests.support.snapshots import gpu, host

HELLO = Hello(protocol=1, version="0.1.0", host_id="ab" * 16, host="node1", sent_at=1.0, code="gpumonjoin_x")


@contextmanager
def uplink(hub: StubHub, folder: Path, **changes: Any) -> Iterator[Uplink]:
    made = Uplink(
        hub.url,
        lambda: HELLO,
        AgentKey(folder),
        retries=Retries(first_seconds=0.02, last_seconds=0.05),
        repeat_seconds=0.001,
        **changes,
    )
    made.start()
    try:
        yield made
    finally:
        made.stop()


@pytest.fixture
def hub() -> StubHub:
    return StubHub()


def send(made: Uplink, *seqs: int) -> None:
    for seq in seqs:
        made.take(host(gpu(0), seq=seq, sampled_at=float(seq)))


def connected(made: Uplink, hub: StubHub, times: int = 1) -> None:
    wait_for(lambda: len(hub.hellos) >= times, "a hello")
    # `take` keeps snapshots until the hub has answered.
    wait_for(lambda: made.is_connected, "the connection")


def test_key_is_kept_and_used_from_then_on(hub: StubHub, tmp_path: Path) -> None:
    with hub.running(), uplink(hub, tmp_path) as made:
        connected(made, hub)
        assert AgentKey(tmp_path).read() == "gpumonhost_new"
        hub.stop()
        hub.start()
        connected(made, hub, 2)
    assert hub.keys == [None, "Bearer gpumonhost_new"]


def test_what_an_outage_hid_follows_the_newest_in_order_and_marked_late(hub: StubHub, tmp_path: Path) -> None:
    with uplink(hub, tmp_path) as made:
        send(made, 1, 2, 3)
        with hub.running():
            connected(made, hub)
            send(made, 4)
            hub.wait_for_seq(3)
        wait_for(lambda: not made.is_connected, "the end of the connection")
        send(made, 5, 6)
        with hub.running():
            connected(made, hub, 2)
            send(made, 7)
            hub.wait_for_seq(6)
    assert [(each.snapshot.seq, each.is_late) for each in hub.received] == [
        (4, False), (1, True), (2, True), (3, True), (7, False), (5, True), (6, True),
    ]  # fmt: skip


def test_what_the_hub_did_not_confirm_is_sent_again(hub: StubHub, tmp_path: Path) -> None:
    hub.confirms = False
    with uplink(hub, tmp_path) as made:
        with hub.running():
            connected(made, hub)
            for seq in (1, 2):  # one after the other: the newest wins while the line is slow
                send(made, seq)
                hub.wait_for_seq(seq)
        wait_for(lambda: not made.is_connected, "the end of the connection")
        with hub.running():
            connected(made, hub, 2)
            send(made, 3)
            wait_for(lambda: hub.seqs(is_late=True) == [1, 2], "what was not confirmed")
    assert hub.seqs(is_late=False) == [1, 2, 3]


def test_pings_are_answered_at_once_with_the_clock(hub: StubHub, tmp_path: Path) -> None:
    with hub.running(), uplink(hub, tmp_path) as made:
        connected(made, hub)
        send(made, 1)
        [pong] = wait_for(lambda: hub.pongs, "the answer")
    assert (pong.number, abs(pong.time - time.time()) < 60) == (1, True)


def test_refusal_is_one_line_of_the_log_and_the_problem(
    hub: StubHub, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    hub.answer = Refused(code="of a later version", text="Ask \x1b[31mthem.")
    with caplog.at_level(logging.WARNING), hub.running(), uplink(hub, tmp_path) as made:
        wait_for(lambda: len(hub.hellos) >= 3, "three tries")
        assert made.problem == "Ask \\x1b[31mthem."
    assert [record.getMessage() for record in caplog.records if record.name.endswith("uplink")] == [
        "Ask \\x1b[31mthem."
    ]


def test_refusal_is_heard_by_an_agent_that_is_sending(hub: StubHub) -> None:
    """Regression: the agent took it for a lost connection and came back at once, and so did the one that had replaced it."""
    raised: list[Exception] = []
    reading = Backlog(monotonic=time.monotonic).keep(1, msgspec.msgpack.encode(host(gpu(0))))

    def send_one() -> None:
        try:
            connection.send(reading, is_late=False)
        except (Disconnected, RefusedByHub) as error:
            raised.append(error)

    with hub.running():
        connection = Connection(address_of(hub.url), HELLO, None)
        hub.refuse(Refused(code="replaced", text="The agent has connected again."))
        sending = threading.Thread(target=send_one)
        sending.start()
        sending.join(0.3)  # so long that an agent which does not wait for the refusal has ended
        connection.listen(lambda: None)
        sending.join()
        connection.close()
    assert [(type(error), str(error)) for error in raised] == [(RefusedByHub, "The agent has connected again.")]


def test_hub_can_ask_for_a_longer_interval(hub: StubHub, tmp_path: Path) -> None:
    asked: list[float | None] = []
    hub.answer = Welcome(host_name="node1", interval_seconds=5.0, hub_time=time.time())
    with hub.running(), uplink(hub, tmp_path, on_interval=asked.append) as made:
        connected(made, hub)
    assert asked == [5.0]


@pytest.mark.parametrize(("hub_is", "words"), [(-100.0, "100 s ahead of the hub's"), (100.0, "100 s behind the hub's")])
def test_clock_that_is_off_is_reported(
    hub: StubHub, tmp_path: Path, caplog: pytest.LogCaptureFixture, hub_is: float, words: str
) -> None:
    hub.answer = Welcome(host_name="node1", hub_time=time.time() + hub_is)
    with caplog.at_level(logging.WARNING), hub.running(), uplink(hub, tmp_path) as made:
        connected(made, hub)
    assert "The clock of this host is" in caplog.text
    assert words.split(" s ")[1] in caplog.text


def test_key_that_cannot_be_kept_is_reported(hub: StubHub, tmp_path: Path) -> None:
    (tmp_path / "agent_key").mkdir()
    with hub.running(), uplink(hub, tmp_path) as made:
        wait_for(lambda: made.problem and "agent_key cannot be used" in made.problem, "the problem")


def test_first_retry_after_a_connection_that_lasted_comes_soon_whatever_failed_before() -> None:
    retries = Retries(first_seconds=1.0, last_seconds=60.0)
    failed = [retries.wait(connected_seconds=0.0, is_refused=False) for _ in range(13)]
    assert failed[:4] == [(0.0, 1.0), (0.0, 1.5), (0.0, 2.25), (0.0, 3.375)]
    assert failed[-2:] == [(0.0, 60.0)] * 2
    assert retries.wait(connected_seconds=3600.0, is_refused=False) == (0.0, 1.0)
    assert retries.wait(connected_seconds=1.0, is_refused=False) == (0.0, 1.5), "it broke at once"
    assert retries.wait(connected_seconds=3600.0, is_refused=True) == (30.0, 60.0)
