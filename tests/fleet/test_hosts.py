"""The hosts that a hub knows: staleness by its own clock, one connection per host, and what the registry changes."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec

from monitor.fleet.bus.in_process import InProcessBus
from monitor.fleet.hosts import Fleet
from monitor.fleet.protocol import Hello, Refused
from monitor.fleet.registry import Admitted, Row
from monitor.live.hub import Hub as LiveHub
from monitor.telemetry.schema import Snapshot
from tests.support.snapshots import gpu, host

ID = "ab" * 16
ADMITTED = Admitted(ID, "node1", ("lab",), None)
ROW = Row(
    host_id=ID, name="node1", tags=(), state="active", last_seen_at=None, agent_version="", driver_version="",
    clock_offset_seconds=None, problem="",
)  # fmt: skip


class Socket:
    """A connection that only remembers why it was ended."""

    def __init__(self, boot: str = "1", host: str = "node1") -> None:
        self.hello = Hello(protocol=1, version="0.1.0", host_id=ID, host=host, machine="m", boot=boot, sent_at=1.0)
        self.refusals: list[Refused] = []

    def end(self, refusal: Refused) -> None:
        self.refusals.append(refusal)


class Hub:
    """A fleet whose clock stands still."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.published: list[tuple[int, bool]] = []
        self.fleet = Fleet(
            "own",
            make_hub=lambda on_watched: LiveHub(max_rate_hz=5, on_watched=on_watched, monotonic=lambda: self.now),
            bus=InProcessBus(lambda snapshot, *, is_late: self.published.append((snapshot.seq, is_late))),
            monotonic=lambda: self.now,
        )

    @property
    def node(self) -> dict[str, object]:
        [found] = self.fleet.summaries()
        return msgspec.structs.asdict(found)


def reading(seq: int = 1, **changes: Any) -> Snapshot:
    return host(
        gpu(0), seq=seq, poll_interval_seconds=1.0, host_id=ID, **{"sampled_at": 5.0, "age_seconds": 0.0, **changes}
    )


def test_staleness_is_judged_by_the_hubs_clock() -> None:
    hub = Hub()
    hub.fleet.connect(ADMITTED, Socket())
    assert hub.node["stale_reason"] == "No reading has arrived since the hub started."
    hub.fleet.take(ID, reading(time=1.0), is_late=False)  # by a clock that is decades behind
    assert (hub.node["stale"], hub.node["age_seconds"], hub.node["gpu_count"]) == (False, 0.0, 1)
    hub.now += 20
    assert (hub.node["stale"], hub.node["age_seconds"], hub.node["free_gpu_count"]) == (True, 20.0, None)
    assert hub.node["stale_reason"] == "Nothing has arrived from this host for 20 s."


def test_clients_of_a_host_share_a_hub_that_ends_with_the_last_of_them() -> None:
    hub = Hub()
    assert hub.fleet.hub_of("node1") is None
    hub.fleet.connect(ADMITTED, Socket())
    hub.fleet.take(ID, reading(seq=1), is_late=False)
    hub.now += 30

    async def watch() -> list[tuple[int, bool]]:
        live = hub.fleet.hub_of("node1")
        assert live is not None
        assert hub.fleet.hub_of(ID) is live
        live.join("gpu")
        live.join("gpu")
        first = await live.newer(0)
        hub.fleet.take(ID, reading(seq=2, sampled_at=35.0), is_late=False)
        second = await live.newer(first.number)
        live.leave("gpu")
        assert hub.fleet.hub_of("node1") is live
        live.leave("gpu")
        assert hub.fleet.hub_of("node1") is not live
        return [(frame.snapshot.seq, frame.snapshot.stale) for frame in (first, second)]

    assert asyncio.run(watch()) == [(1, True), (2, False)], "the first reading arrived 30 s before"


def test_stale_reading_of_the_host_stays_stale_with_its_reason() -> None:
    hub = Hub()
    hub.fleet.connect(ADMITTED, Socket())
    hub.fleet.take(ID, reading(stale=True, stale_reason="The driver hangs."), is_late=False)
    assert hub.node["stale_reason"] == "The driver hangs."


def test_reading_that_comes_again_is_as_old_as_the_hub_knows_it_whatever_the_agent_says() -> None:
    hub = Hub()
    hub.fleet.connect(ADMITTED, Socket())
    for seq, age in enumerate((0.0, 0.0, -1e9), start=1):
        hub.fleet.take(ID, reading(seq=seq, age_seconds=age), is_late=False)
        assert (hub.node["stale"], hub.node["reading_age_seconds"]) == (seq == 3, 10.0 * (seq - 1))
        hub.now += 10
    assert hub.node["stale_reason"] == "The host sends no new reading; the newest is 20 s old."
    assert hub.node["free_gpu_count"] is None
    hub.fleet.take(ID, reading(seq=4, sampled_at=6.0), is_late=False)
    assert (hub.node["stale"], hub.node["reading_age_seconds"]) == (False, 0.0)
    hub.fleet.take(ID, reading(seq=5, sampled_at=7.0, age_seconds=3600.0), is_late=False)
    assert (hub.node["stale"], hub.node["reading_age_seconds"]) == (True, 3600.0), "by its agent, which says the worse"


def test_late_readings_are_counted_and_published_but_not_shown() -> None:
    hub = Hub()
    hub.fleet.connect(ADMITTED, Socket())
    hub.fleet.take(ID, reading(seq=9, time=90.0), is_late=False)
    hub.now += 5
    hub.fleet.take(ID, msgspec.structs.replace(reading(seq=3, time=30.0), sampled_at=30.0), is_late=True)
    assert (hub.node["late_count"], hub.node["sampled_at"], hub.node["age_seconds"]) == (1, 5.0, 5.0)
    assert hub.published == [(9, False), (3, True)]


def test_agent_that_comes_back_replaces_its_old_connection() -> None:
    hub, first, second = Hub(), Socket(), Socket()
    assert hub.fleet.connect(ADMITTED, first) is None
    assert hub.fleet.connect(ADMITTED, second) is None
    assert len(first.refusals) == 1
    hub.fleet.disconnect(ID, first)
    assert hub.node["is_connected"]
    hub.fleet.disconnect(ID, second)
    assert not hub.node["is_connected"]


def test_rebooted_host_is_no_copy_once_its_old_connection_is_silent() -> None:
    hub, before, after = Hub(), Socket(boot="1"), Socket(boot="2")
    hub.fleet.connect(ADMITTED, before)
    hub.fleet.take(ID, reading(), is_late=False)
    refusal = hub.fleet.connect(ADMITTED, after)
    assert refusal is not None
    assert refusal.code == "copied"
    assert "One is a copy of the other" in str(hub.node["problem"])
    hub.now += 30
    assert hub.fleet.connect(ADMITTED, after) is None
    hub.now += 180
    assert hub.node["problem"] is None


def test_clock_offset_is_that_of_the_fastest_answer_and_reported_past_two_seconds() -> None:
    hub = Hub()
    hub.fleet.connect(ADMITTED, Socket())
    hub.fleet.took_pong(ID, agent_time=110.0, hub_time=100.0, round_trip_seconds=8.0)
    hub.fleet.took_pong(ID, agent_time=97.0, hub_time=100.0, round_trip_seconds=0.2)
    assert abs(float(str(hub.node["clock_offset_seconds"])) + 2.9) < 1e-9
    assert hub.node["problem"] == "Its clock is 3 s behind the hub's."


def test_revoked_and_deleted_hosts_are_disconnected() -> None:
    hub, socket = Hub(), Socket()
    hub.fleet.connect(ADMITTED, socket)
    hub.fleet.set_rows([])  # read before it joined
    assert socket.refusals == []
    hub.fleet.set_rows([ROW._replace(name="renamed", tags=("lab", "h100"))])
    assert (hub.node["name"], hub.node["tags"]) == ("renamed", ("lab", "h100"))
    hub.fleet.set_rows([ROW._replace(state="revoked")])
    assert [each.code for each in socket.refusals] == ["revoked"]
    hub.fleet.set_rows([])
    assert hub.fleet.summaries() == []


def test_host_that_is_known_by_its_readings_alone_stays_until_the_registry_was_read_twice_without_it() -> None:
    hub = Hub()
    hub.fleet.expect(ID, "node1")
    assert hub.node["name"] == "node1"
    hub.fleet.set_rows([])  # read before it joined
    assert hub.node["name"] == "node1"
    hub.fleet.set_rows([])
    assert hub.fleet.summaries() == []


def test_hosts_that_are_not_connected_are_listed_too() -> None:
    hub = Hub()
    hub.fleet.set_rows([ROW._replace(state="pending", problem="The same machine as node2.")])
    assert (hub.node["state"], hub.node["is_connected"], hub.node["problem"]) == (
        "pending",
        False,
        "The same machine as node2.",
    )
