"""Which socket answers at which address."""

from __future__ import annotations

from channels.routing import URLRouter
from django.conf import settings
from django.urls import re_path
from django.utils import timezone

from monitor.access.admission import Caps, GuardedDoor
from monitor.access.identity import ended
from monitor.access.session_watch import Watch
from monitor.access.signals import tell_of_changes
from monitor.access.visitor import access
from monitor.live.admission import Receive, Scope, Send
from monitor.live.consumers import dashboard, gpu_feed
from monitor.live.hub import Hub
from monitor.live.origin import Origins
from monitor.runtime.process import runtime
from monitor.web.pages.registry import live_page_named


def _hub() -> Hub:
    return runtime().hub


async def _no_such_socket(scope: Scope, receive: Receive, send: Send) -> None:
    """Refuse the handshake (403): without this, an unknown path would end in an exception and a log full of them."""
    await receive()
    await send({"type": "websocket.close"})


def router() -> URLRouter:
    """The WebSocket half of the ASGI application."""
    origins = Origins(settings.ALLOWED_HOSTS, settings.CSRF_TRUSTED_ORIGINS)
    config = settings.GPU_MONITOR
    watch = Watch(lambda identities: ended(identities, timezone.now()))
    tell_of_changes(watch.wake)
    door = GuardedDoor(access, Caps(config.max_sockets, config.max_sockets_per_address), watch)
    return URLRouter(
        [
            re_path(r"^ws/gpu$", gpu_feed(_hub, origins, door)),  # type: ignore[arg-type]
            re_path(r"^ws/dashboard$", dashboard(_hub, origins, live_page_named, door)),  # type: ignore[arg-type]
            re_path(r"", _no_such_socket),  # type: ignore[arg-type]
        ]
    )
