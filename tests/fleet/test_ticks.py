"""The hub of the pages of all hosts: a frame a second for all viewers, and nothing for nobody."""

from __future__ import annotations

import asyncio

from monitor.fleet.ticks import FleetTicks
from monitor.live.hub import Hub
from monitor.live.pieces import LivePage, Pieces, Value
from monitor.telemetry.schema import Snapshot
from tests.support import virtual_time
from tests.support.snapshots import alert


def test_frames_come_once_a_second_and_only_while_somebody_watches() -> None:
    made: list[int] = []

    def pieces(snapshot: Snapshot) -> Pieces:
        made.append(snapshot.seq)
        return Pieces([], [Value("seq", str(snapshot.seq))], "", "ok")

    async def scene() -> list[float]:
        loop = asyncio.get_running_loop()
        ticks = FleetTicks(
            make_hub=lambda on_watched: Hub(max_rate_hz=5, on_watched=on_watched, monotonic=loop.time),
            host=lambda: "hub",
            alerts=lambda: (alert(),),
        )
        page = LivePage("hosts", pieces, has_charts=False, is_of_fleet=True)
        hub, at, seen = ticks.hub(), [], 0
        hub.join("dashboard")
        hub.join("dashboard")
        for _ in range(4):
            frame = await hub.newer(seen)
            assert frame.page(page, seen) is frame.page(page, seen), "the same bytes for both viewers"
            seen = frame.number
            at.append(loop.time())
        assert frame.snapshot.alerts == (alert(),)
        assert ticks.newest().seq == 4, "a page that is opened meanwhile shows the tick that is there"
        hub.leave("dashboard")
        assert ticks.hub() is hub
        hub.leave("dashboard")
        await asyncio.sleep(60)
        assert ticks.newest().seq == 5, "of this moment"
        assert ticks.hub() is not hub
        return at

    at = virtual_time.run(scene())
    assert [round(each) for each in at] == [0, 1, 2, 3]
    assert made == [1, 2, 3, 4]
