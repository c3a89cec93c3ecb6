"""Freshness is judged by a clock that only runs forward, where a snapshot is shown."""

from __future__ import annotations

import pytest

from monitor.telemetry.freshness import as_of_now
from tests.support.snapshots import gpu, host


@pytest.mark.parametrize(
    ("interval", "silent", "is_stale"), [(1.0, 12.9, False), (1.0, 14.0, True), (60.0, 180.0, False)]
)
def test_snapshot_without_a_successor_becomes_stale(interval: float, silent: float, is_stale: bool) -> None:
    now = as_of_now(host(gpu(), poll_interval_seconds=interval, age_seconds=0.5), silent)
    assert now.stale is is_stale
    if is_stale:
        assert now.age_seconds == silent + 0.5
        assert now.stale_reason == f"No reading has arrived for {silent:.0f} s."


def test_unknown_age_stays_unknown() -> None:
    assert as_of_now(host(age_seconds=None), 100.0).age_seconds is None
