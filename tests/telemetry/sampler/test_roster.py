"""A GPU keeps its place and its name while it is lost, asleep or unlisted."""

from __future__ import annotations

import pytest

from monitor.telemetry.providers.base import GPU_METRICS
from monitor.telemetry.sampler.roster import Roster
from monitor.telemetry.schema import Gpu, Xid


def gpu(index: int, uuid: str, **values: object) -> Gpu:
    return Gpu(index=index, uuid=uuid, name="H100", **values)  # type: ignore[arg-type]


def test_gpu_that_is_no_longer_listed_keeps_its_place_and_has_a_since_time() -> None:
    roster = Roster()
    roster.update([gpu(0, "a"), gpu(1, "b", memory_total_bytes=80, temperature_celsius=50), gpu(2, "c")], 100.0)
    gpus = roster.update([gpu(0, "a"), gpu(1, "c")], 101.0)
    assert [(each.uuid, each.state) for each in gpus] == [("a", "ok"), ("c", "ok"), ("b", "lost")]
    lost = gpus[2]
    assert (lost.since, lost.read_at, lost.memory_total_bytes) == (101.0, 100.0, 80)
    assert lost.temperature_celsius is None
    assert all(name in lost.unavailable for name in GPU_METRICS if getattr(lost, name) is None)
    assert roster.update([gpu(0, "a"), gpu(1, "c")], 102.0)[2].since == 101.0


def test_lost_gpu_that_returns_has_its_identity() -> None:
    roster = Roster()
    roster.update([gpu(0, "a"), gpu(1, "b")], 1.0)
    roster.update([gpu(0, "a")], 2.0)
    assert [each.state for each in roster.update([gpu(0, "a"), gpu(1, "b")], 3.0)] == ["ok", "ok"]


def test_gpus_keep_their_identity_when_their_order_changes() -> None:
    roster = Roster()
    roster.update([gpu(0, "a"), gpu(1, "b")], 1.0)
    assert [each.uuid for each in roster.update([gpu(0, "b"), gpu(1, "a")], 2.0)] == ["b", "a"]


def test_gpu_lost_on_the_bus_keeps_its_static_values() -> None:
    roster = Roster()
    roster.update([gpu(0, "a", power_limit_watts=700.0, power_watts=600.0)], 1.0)
    (lost,) = roster.update([gpu(0, "a", state="lost", since=2.0)], 2.0)
    assert (lost.power_limit_watts, lost.power_watts, lost.since, lost.read_at) == (700.0, None, 2.0, 1.0)


def test_unopened_sleeping_gpu_is_recognized_by_its_bus_id() -> None:
    roster = Roster()
    roster.update([gpu(0, "GPU-1", pci_bus_id="0000:01:00.0", vbios_version="90")], 1.0)
    (asleep,) = roster.update([gpu(0, "pci-0000:01:00.0", pci_bus_id="0000:01:00.0", state="asleep", since=5.0)], 5.0)
    assert (asleep.uuid, asleep.state, asleep.since, asleep.vbios_version) == ("GPU-1", "asleep", 5.0, "90")


def test_gpu_whose_uuid_is_refused_for_a_while_is_neither_two_gpus_nor_lost() -> None:
    bus_id = "0000:01:00.0"
    for first, second in (("", "GPU-1"), ("GPU-1", "")):
        roster = Roster()
        for uuid in (first, second, first):
            (only,) = roster.update([gpu(0, uuid, pci_bus_id=bus_id)], 1.0)
            assert only.state == "ok"
        assert only.uuid == "GPU-1"


def test_gpu_that_was_known_by_its_index_alone_gets_its_uuid() -> None:
    roster = Roster()
    assert [each.uuid for each in roster.update([gpu(0, ""), gpu(1, "GPU-b")], 1.0)] == ["index-0", "GPU-b"]
    named = roster.update([gpu(0, "GPU-a", pci_bus_id="0000:01:00.0"), gpu(1, "GPU-b")], 2.0)
    assert [(each.uuid, each.state) for each in named] == [("GPU-a", "ok"), ("GPU-b", "ok")]


def test_another_board_at_the_same_place_is_another_gpu() -> None:
    roster = Roster()
    roster.update([gpu(0, "GPU-1", pci_bus_id="0000:01:00.0")], 1.0)
    other = Gpu(index=0, uuid="", name="L4", pci_bus_id="0000:01:00.0")
    assert [each.uuid for each in roster.update([other], 2.0)] == ["pci-0000:01:00.0", "GPU-1"]


def test_xid_count_continues_across_samplers() -> None:
    roster = Roster()
    roster.update([gpu(0, "a", xids=(Xid(code=79, count=2, last_at=10.0),))], 10.0)
    roster.restarted()
    assert roster.update([gpu(0, "a", xids=())], 20.0)[0].xids == (Xid(code=79, count=2, last_at=10.0),)
    (again,) = roster.update(
        [gpu(0, "a", xids=(Xid(code=79, count=1, last_at=30.0), Xid(code=13, count=1, last_at=31.0)))], 31.0
    )
    assert again.xids == (Xid(code=13, count=1, last_at=31.0), Xid(code=79, count=3, last_at=30.0))


@pytest.mark.parametrize("is_listed", [True, False])
def test_lost_gpu_keeps_its_xids_as_counters_do(is_listed: bool) -> None:
    """The series of its Xids ended just when it fell off the bus."""
    fallen = Xid(code=79, count=1, last_at=10.0)
    roster = Roster()
    roster.update([gpu(0, "a", xids=(fallen,))], 10.0)
    (lost,) = roster.update([gpu(0, "a", state="lost", since=11.0)] if is_listed else [], 11.0)
    assert (lost.state, lost.xids, "xids" in lost.unavailable) == ("lost", (fallen,), False)
    roster.restarted()
    again = (gpu(0, "a", state="lost", since=12.0, xids=(Xid(code=79, count=1, last_at=12.0),)),)
    (lost,) = roster.update(again, 12.0)
    assert lost.xids == (Xid(code=79, count=2, last_at=12.0),)


def test_gpu_asleep_at_the_start_is_the_same_gpu_once_it_wakes() -> None:
    """The sleeping GPU, known only by its bus id, stayed on the page as lost beside the woken one."""
    roster = Roster()
    roster.update([gpu(0, "pci-0000:01:00.0", pci_bus_id="0000:01:00.0", state="asleep", since=5.0)], 5.0)
    (awake,) = roster.update([gpu(0, "GPU-1", pci_bus_id="0000:01:00.0")], 9.0)
    assert (awake.uuid, awake.state) == ("GPU-1", "ok")
    (asleep,) = roster.update([gpu(0, "pci-0000:01:00.0", pci_bus_id="0000:01:00.0", state="asleep", since=12.0)], 12.0)
    assert (asleep.uuid, asleep.since, asleep.read_at) == ("GPU-1", 12.0, 9.0)
