"""The ASGI lifespan protocol, which uvicorn speaks. daphne does not; there `manage.py serve` does the same."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from monitor.server.systemd import READY, Systemd
from monitor.server.watchdog import watch


def lifespan(
    systemd: Systemd, is_alive: Callable[[], bool], *, at_end: Callable[[], None] = lambda: None
) -> Callable[..., Any]:
    """An ASGI application: reports READY=1 to systemd once the server has started, and then signs of life while `is_alive`.

    It does not report STOPPING=1: another worker may follow this one, so gunicorn's master does that. `at_end` runs in a thread
    after every connection is closed.
    """

    async def app(_scope: Any, receive: Callable[..., Any], send: Callable[..., Any]) -> None:
        watchdog: asyncio.Task[None] | None = None
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                watchdog = asyncio.create_task(watch(systemd, is_alive))
                systemd.notify(READY)
                await send({"type": "lifespan.startup.complete"})
            elif message["type"] == "lifespan.shutdown":
                if watchdog is not None:
                    watchdog.cancel()
                await asyncio.to_thread(at_end)
                await send({"type": "lifespan.shutdown.complete"})
                return

    return app
