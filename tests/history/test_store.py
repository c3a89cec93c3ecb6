"""Pieces of the minutes are joined hour by hour, and nothing is lost or counted twice."""

from __future__ import annotations

from collections import deque

import pytest

from monitor.history import store
from monitor.history.queries import history
from monitor.history.second_buckets import SecondBuckets
from monitor.history.store import Written
from monitor.history.tiers import MINUTES
from monitor.models import HistoryChunk, HistorySource
from tests.history.readings import METRICS
from tests.support.snapshots import gpu

pytestmark = pytest.mark.django_db(databases="__all__")

HOUR = 1_800_014_400
"""The start of a chunk of minutes."""


@pytest.mark.slow
def test_pieces_of_an_hour_become_one() -> None:
    source = HistorySource(key="GPU-0", kind="gpu", index=0, name="H100", first_at=HOUR, last_at=HOUR)
    seconds = SecondBuckets(METRICS)
    for second in range(2 * 3600 + 1201):
        at = HOUR + second
        seconds.add(float(at), gpu(power_watts=float(second % 500)), 1)
        if second and second % 600 == 0:
            store.write([Written(source, [seconds.take_before(at)], is_changed=True)], [])
            deque(store.close_chunks(at), maxlen=0)
    pieces = HistoryChunk.objects.filter(tier=MINUTES.number).order_by("start").values_list("start", "end", "is_open")
    assert [((start - HOUR) / 60, (end - HOUR) / 60, is_open) for start, end, is_open in pieces] == [
        (0, 60, True),
        (60, 120, True),
        (120, 130, True),
        (130, 140, True),
    ]
    (answer,) = history("GPU-0", ["power_watts"], HOUR, HOUR + 2 * 3600 + 1200, 150)
    assert (answer.tier, sum(answer.seconds), answer.seconds[0]) == ("minutes", 2 * 3600 + 1200, 60.0)
    assert max(value for value in answer.high if value is not None) == 499.0
