"""An ASGI application with gpumon's feed and hub, and in place of the sampler a thread that publishes made snapshots.

Nothing of the site around it: what is measured is the delivery, under any ASGI server.
"""

from __future__ import annotations

import functools
import threading

from channels.routing import ProtocolTypeRouter
from django.conf import settings

if not settings.configured:
    settings.configure()

from bench import message
from monitor.live.consumers import GpuFeedConsumer
from monitor.live.hub import Hub
from monitor.live.origin import Origins
from tests.support.admission import AdmitEverybody


@functools.cache
def hub() -> Hub:
    """The hub, fed from the first client on."""
    made = Hub(max_rate_hz=30)
    feed = functools.partial(message.pace, lambda number: made.take(message.snapshot(number)))
    threading.Thread(target=feed, name="telemetry", daemon=True).start()
    return made


application = ProtocolTypeRouter(
    {"websocket": GpuFeedConsumer.as_asgi(hub=hub, origins=Origins(["*"], []), admission=AdmitEverybody())}
)
