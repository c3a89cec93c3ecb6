"""The first moments after the start: a page asked for before the first reading waits for it, briefly."""

from __future__ import annotations

import asyncio
import socket
import time

from monitor.live.hub import Hub
from monitor.sanitize import plain
from monitor.telemetry.schema import Snapshot

LONGEST_SECONDS = 2.0
_STEP_SECONDS = 0.05


def has_news(snapshot: Snapshot | None) -> bool:
    """Whether something can be shown: a reading, or why there is none."""
    return snapshot is not None and bool(snapshot.sampled_at is not None or snapshot.providers or snapshot.stale)


async def first_snapshot(hub: Hub) -> Snapshot:
    """The latest snapshot; within the first moments the first one worth showing, else an empty one."""
    deadline = time.monotonic() + LONGEST_SECONDS
    while not has_news(hub.latest) and time.monotonic() < deadline:  # noqa: ASYNC110 - set in another thread
        await asyncio.sleep(_STEP_SECONDS)
    return hub.latest or Snapshot(host=plain(socket.gethostname()), seq=0, time=time.time())
