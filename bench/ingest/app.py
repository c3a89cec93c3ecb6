"""An ASGI application with the consumer of agents, which admits everybody. It has no other parts of the site."""

from __future__ import annotations

import logging
from collections.abc import Collection

import django
from channels.routing import ProtocolTypeRouter, URLRouter
from django.urls import path

django.setup()

from monitor.fleet.bus.in_process import InProcessBus  # noqa: E402
from monitor.fleet.consumers import AgentConsumer, Door, wrong_handshakes  # noqa: E402  # they import models
from monitor.fleet.hosts import Fleet  # noqa: E402
from monitor.fleet.protocol import Hello  # noqa: E402
from monitor.fleet.registry import Admitted  # noqa: E402
from monitor.fleet.work_budget import WorkBudget  # noqa: E402
from monitor.live.hub import Hub  # noqa: E402
from monitor.server.garbage import spare_what_was_loaded  # noqa: E402

logging.getLogger("websockets").setLevel(logging.WARNING)


async def _admit(hello: Hello, _key: str | None, _connected: Collection[str]) -> Admitted:
    return Admitted(hello.host_id, hello.host, (), None)


_fleet = Fleet(None, make_hub=lambda on_watched: Hub(max_rate_hz=1, on_watched=on_watched), bus=InProcessBus())
spare_what_was_loaded()  # as at the start of the real server
_door = Door(lambda: _fleet, _admit, None, wrong_handshakes(), WorkBudget())
application = ProtocolTypeRouter({"websocket": URLRouter([path("ws/agent", AgentConsumer.as_asgi(door=_door))])})
