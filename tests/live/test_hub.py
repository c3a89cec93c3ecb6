"""The hub: every client receives the newest frame, and none has a queue."""

from __future__ import annotations

import asyncio
import gc
import json
import weakref

import msgspec
import pytest

from monitor.live.hub import Hub
from monitor.live.pieces import LivePage, Pieces
from monitor.telemetry.schema import Alert, Gpu, Snapshot
from tests.support.virtual_time import run

PAGE = LivePage("page", lambda _snapshot: Pieces((), (), "title", "ok"))


def snapshot(seq: int) -> Snapshot:
    gpu = Gpu(index=0, uuid="a", name="x", utilization_percent=1)
    return Snapshot(host="h", seq=seq, time=float(seq), sampled_at=float(seq), gpus=(gpu,))


def test_late_client_receives_the_newest_snapshot_at_once() -> None:
    async def scene() -> int:
        hub = Hub(max_rate_hz=30)
        for seq in (1, 2, 3):
            hub.take(snapshot(seq))
        hub.join("gpu")
        return (await asyncio.wait_for(hub.newer(0), 5)).snapshot.seq

    assert asyncio.run(scene()) == 3


def test_slow_client_skips_to_the_newest_and_does_not_delay_a_fast_one() -> None:
    async def scene() -> tuple[list[int], list[int]]:
        hub = Hub(max_rate_hz=1000)
        hub.join("gpu")
        hub.join("gpu")
        fast: list[int] = []
        slow: list[int] = []
        gate = asyncio.Event()

        async def follow(seen_by: list[int], wait: asyncio.Event | None) -> None:
            number = 0
            while not seen_by or seen_by[-1] < 5:
                frame = await hub.newer(number)
                number = frame.number
                seen_by.append(frame.snapshot.seq)
                if wait:
                    await wait.wait()

        followers = [asyncio.ensure_future(follow(fast, None)), asyncio.ensure_future(follow(slow, gate))]
        for seq in range(1, 6):
            hub.take(snapshot(seq))
            while not fast or fast[-1] < seq:  # noqa: ASYNC110 - one turn of the loop, not a time
                await asyncio.sleep(0)
        gate.set()
        await asyncio.wait_for(asyncio.gather(*followers), 5)
        return fast, slow

    fast, slow = asyncio.run(scene())
    assert fast == [1, 2, 3, 4, 5]
    assert slow == [1, 5]


def test_snapshots_faster_than_the_rate_become_one_frame_with_all_their_points() -> None:
    async def scene() -> tuple[int, list[float]]:
        hub = Hub(max_rate_hz=20)
        hub.join("dashboard")
        hub.take(snapshot(1))
        first = await hub.newer(0)
        first.page(PAGE, 0)
        for seq in (2, 3, 4):
            hub.take(snapshot(seq))
        second = await asyncio.wait_for(hub.newer(first.number), 5)
        message = json.loads(second.page(PAGE, first.number))
        assert message["kind"] == "delta"
        return second.snapshot.seq, message["points"]["time"]

    assert asyncio.run(scene()) == (4, [2.0, 3.0, 4.0])


def test_changed_rate_applies_from_the_next_frame() -> None:
    async def scene() -> list[int]:
        hub = Hub(max_rate_hz=0.001)
        hub.join("dashboard")
        hub.take(snapshot(1))
        first = await hub.newer(0)
        hub.set_max_rate(1000)
        hub.take(snapshot(2))
        second = await asyncio.wait_for(hub.newer(first.number), 5)
        return [first.snapshot.seq, second.snapshot.seq]

    assert asyncio.run(scene()) == [1, 2]


def test_sampler_is_notified_of_the_first_client_and_of_the_last() -> None:
    watched: list[bool] = []

    async def scene() -> None:
        hub = Hub(max_rate_hz=5, on_watched=watched.append)
        hub.join("gpu")
        hub.join("dashboard")
        hub.leave("gpu")
        assert watched == [True]
        hub.leave("dashboard")

    asyncio.run(scene())
    assert watched == [True, False]


def test_snapshot_does_not_wake_the_event_loop_without_clients(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scene() -> list[str]:
        woken: list[str] = []
        loop = asyncio.get_running_loop()
        monkeypatch.setattr(loop, "call_soon_threadsafe", lambda *_: woken.append("by the snapshot"))
        hub = Hub(max_rate_hz=5)
        hub.join("gpu")
        hub.take(snapshot(1))
        hub.leave("gpu")
        hub.take(snapshot(2))
        monkeypatch.undo()
        return woken

    assert asyncio.run(scene()) == ["by the snapshot"]


def test_cancelled_waiting_client_leaves_nothing_behind() -> None:
    async def scene() -> list[object]:
        hub = Hub(max_rate_hz=5)
        hub.join("gpu")
        loop = asyncio.get_running_loop()
        futures: list[weakref.ref[object]] = []
        with pytest.MonkeyPatch.context() as monkeypatch:
            create_future = loop.create_future

            def create() -> asyncio.Future[None]:
                future = create_future()
                futures.append(weakref.ref(future))
                return future

            monkeypatch.setattr(loop, "create_future", create)
            waiting = asyncio.ensure_future(hub.newer(0))
            await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.wait([waiting])
        del waiting
        gc.collect()
        assert futures
        return [future() for future in futures if future() is not None]

    assert asyncio.run(scene()) == []


def alert(name: str) -> Alert:
    return Alert(
        id=name, rule="hot", severity="critical", host="dgx", summary="GPU 0 is hot", started_at=1.0, fired_at=1.0
    )


def test_alert_reaches_waiting_clients_without_a_new_reading() -> None:
    async def scene() -> tuple[int, int, tuple[str, ...]]:
        hub = Hub(max_rate_hz=1000)
        hub.join("gpu")
        hub.take(snapshot(1))
        first = await asyncio.wait_for(hub.newer(0), 5)
        hub.set_alerts((alert("a"),))
        second = await asyncio.wait_for(hub.newer(first.number), 5)
        return first.snapshot.seq, second.snapshot.seq, tuple(each.id for each in second.snapshot.alerts)

    assert asyncio.run(scene()) == (1, 1, ("a",))


def test_open_alerts_are_in_every_later_snapshot_until_they_resolve() -> None:
    hub = Hub(max_rate_hz=5)
    hub.set_alerts((alert("a"),))
    hub.take(snapshot(1))
    hub.take(snapshot(2))
    assert hub.latest is not None
    assert [each.id for each in hub.latest.alerts] == ["a"]
    hub.set_alerts(())
    assert hub.latest.alerts == ()


def test_open_sockets_learn_that_no_reading_follows() -> None:
    """Regression: after an error in the telemetry thread, open pages and feeds kept the last values as if they were current."""

    async def scene() -> list[tuple[float, bool, float | None]]:
        loop = asyncio.get_running_loop()
        hub = Hub(max_rate_hz=5, monotonic=loop.time)
        hub.join("gpu")
        began = loop.time()
        hub.take(msgspec.structs.replace(snapshot(1), age_seconds=0.0, poll_interval_seconds=1.0))
        number, seen = 0, []
        for _ in range(3):
            frame = await hub.newer(number)
            number = frame.number
            seen.append((round(loop.time() - began), frame.snapshot.stale, frame.snapshot.age_seconds))
        hub.take(snapshot(2))
        frame = await hub.newer(number)
        seen.append((round(loop.time() - began), frame.snapshot.stale, frame.snapshot.age_seconds))
        hub.leave("gpu")
        return seen

    assert run(scene()) == [
        (0, False, 0.0),
        (13, True, pytest.approx(13, abs=0.2)),
        (26, True, pytest.approx(26, abs=0.4)),
        (26, False, None),
    ]
