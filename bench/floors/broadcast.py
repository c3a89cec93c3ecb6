"""The floor of `delivery` and `delay`: the `websockets` library's own broadcast. `python -m bench.floors.broadcast PORT`.

It makes the same messages from the same snapshots with the same functions. It has no hub, consumers, admission or rate limit.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import sys

from websockets.asyncio.server import ServerConnection, broadcast, serve

from bench import message
from bench.page import PAGE
from monitor.live.frames import Frame
from monitor.live.series import MINUTE_METRICS, MINUTE_SECONDS, QUARTER_METRICS, QUARTER_SECONDS, Series


async def _hold(connection: ServerConnection) -> None:
    await connection.wait_closed()


class Frames:
    """A new frame on each call, without a hub."""

    def __init__(self) -> None:
        self._minute = Series(MINUTE_METRICS, seconds=MINUTE_SECONDS)
        self._quarter = Series(QUARTER_METRICS, seconds=QUARTER_SECONDS, step_seconds=1.0)
        self._previous: Frame | None = None

    def next(self, number: int) -> Frame:
        """The frame of the snapshot taken now."""
        snapshot = message.snapshot(number)
        self._minute.add(snapshot)
        self._quarter.add(snapshot)
        self._previous = Frame(
            number, snapshot, minute=self._minute, quarter=self._quarter, version="", previous=self._previous
        )
        return self._previous


async def main(port: int) -> None:
    """Send each frame to every client, at the rate and phase given by the environment."""
    logging.getLogger("websockets").setLevel(logging.WARNING)  # otherwise each connection is logged
    frames = Frames()
    async with serve(_hold, "127.0.0.1", port, ping_interval=None) as server:
        for number in itertools.count(1):
            await asyncio.sleep(message.seconds_to_next())
            frame, clients = frames.next(number), list(server.connections)
            pages = [client for client in clients if client.request and client.request.path == "/ws/dashboard"]
            if feeds := [client for client in clients if client not in pages]:
                broadcast(feeds, frame.feed())
            if pages:
                broadcast(pages, frame.page(PAGE, number - 1))


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
