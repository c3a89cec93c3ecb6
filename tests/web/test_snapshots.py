"""A page requested right after start waits for the first news, for a limited time."""

from __future__ import annotations

import asyncio

import pytest

from monitor.live.hub import Hub
from monitor.telemetry.schema import ProviderReport, Snapshot
from monitor.web.snapshots import first_snapshot, has_news


def snapshot(seq: int = 1, **changes: object) -> Snapshot:
    return Snapshot(host="host", seq=seq, time=1.0, **changes)  # type: ignore[arg-type]


@pytest.fixture
def hub() -> Hub:
    return Hub(max_rate_hz=5)


def test_readings_reasons_and_staleness_are_news_and_an_empty_snapshot_is_not() -> None:
    assert has_news(snapshot(sampled_at=1.0))
    assert has_news(snapshot(providers=(ProviderReport(name="nvtop", reason="It is not here."),)))
    assert has_news(snapshot(stale=True, stale_reason="The driver hangs."))
    assert not has_news(snapshot())
    assert not has_news(None)


def test_news_that_are_already_there_come_at_once(hub: Hub) -> None:
    hub.take(snapshot(5, sampled_at=1.0))
    assert asyncio.run(first_snapshot(hub, longest_seconds=0.0)).seq == 5


def test_page_waits_past_empty_snapshots_for_the_first_with_news(hub: Hub) -> None:
    async def scene() -> Snapshot:
        hub.take(snapshot(1))
        waiter = asyncio.ensure_future(first_snapshot(hub))
        await asyncio.sleep(0)
        assert not waiter.done()
        hub.take(snapshot(2, sampled_at=1.0))
        return await waiter

    assert asyncio.run(scene()).seq == 2


def test_page_gets_the_empty_snapshot_when_the_wait_ends(hub: Hub) -> None:
    hub.take(snapshot(3))
    assert asyncio.run(first_snapshot(hub, longest_seconds=0.0)).seq == 3


def test_page_without_any_snapshot_gets_an_empty_one_of_this_host(hub: Hub) -> None:
    made = asyncio.run(first_snapshot(hub, longest_seconds=0.0))
    assert (made.seq, made.gpus, made.sampled_at, made.stale) == (0, (), None, False)
    assert made.host
