"""An ASGI application with gpumon's hub and consumers; a thread publishes generated snapshots in place of the sampler.

It has no other parts of the site, so that only the delivery is measured, under any ASGI server.
"""

from __future__ import annotations

import functools
import threading

from channels.routing import ProtocolTypeRouter, URLRouter
from django.urls import path

from bench import message
from bench.page import PAGE
from monitor.config.hosts import ServedHosts
from monitor.http.hosts import HostCheck
from monitor.http.origins import Origins
from monitor.live.consumers import DashboardConsumer, GpuFeedConsumer
from monitor.live.hub import Hub
from monitor.server.garbage import spare_what_was_loaded
from tests.support.admission import AdmitEverybody


@functools.cache
def hub() -> Hub:
    """The hub; publishes snapshots from the first client on, at the rate of its limit."""
    made = Hub(max_rate_hz=message.HZ)
    feed = functools.partial(message.pace, lambda number: made.take(message.snapshot(number)))
    threading.Thread(target=feed, name="telemetry", daemon=True).start()
    return made


spare_what_was_loaded()  # as at the start of the real server
_for_both = {"hub": lambda _host: hub(), "origins": Origins([]), "admission": AdmitEverybody()}
_sockets = URLRouter(
    [
        path("ws/gpu", GpuFeedConsumer.as_asgi(**_for_both)),
        path(
            "ws/dashboard",
            DashboardConsumer.as_asgi(**_for_both, page_named=lambda _name, _host: PAGE, hub_of_fleet=hub),
        ),
    ]
)
application = ProtocolTypeRouter({"websocket": HostCheck(_sockets, ServedHosts(["*"], "127.0.0.1"))})
