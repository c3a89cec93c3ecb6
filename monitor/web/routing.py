"""The addresses of the WebSockets."""

from __future__ import annotations

import functools

from channels.routing import URLRouter
from django.conf import settings
from django.urls import URLPattern, path, re_path
from django.utils import timezone

from monitor.access.admission import Caps, SocketAdmission
from monitor.access.identity import ended
from monitor.access.session_watch import SessionWatch
from monitor.access.signals import watch_access_changes
from monitor.access.visitor import access
from monitor.fleet.admission import admit_agent
from monitor.fleet.consumers import AgentConsumer, Door, wrong_handshakes
from monitor.fleet.hosts import Fleet
from monitor.fleet.work_budget import WorkBudget
from monitor.http.asgi_types import Receive, Scope, Send
from monitor.http.origins import Origins
from monitor.live.admission import Refusal, refuse
from monitor.live.consumers import DashboardConsumer, GpuFeedConsumer
from monitor.live.hub import Hub
from monitor.runtime.process import runtime
from monitor.web.api.hosts import hub_of
from monitor.web.pages.registry import live_page_named


def _hub(host: str | None) -> Hub | None:
    return hub_of(runtime(), host)


def _hub_of_fleet() -> Hub:
    return runtime().fleet_ticks.hub()


async def _no_such_socket(scope: Scope, receive: Receive, send: Send) -> None:
    """Refuse the handshake (403). Without this, Channels raises an error for each unknown path, and servers log it."""
    await receive()
    await refuse(scope, send, Refusal(403, "There is no such socket."))


@functools.cache
def socket_origins() -> Origins:
    """The origins whose pages may open sockets."""
    return Origins(settings.CSRF_TRUSTED_ORIGINS)


@functools.cache
def socket_admission() -> SocketAdmission:
    """The admission that all sockets share."""
    config = settings.GPU_MONITOR
    watch = SessionWatch(lambda identities: ended(identities, timezone.now()))
    watch_access_changes(watch.wake)
    return SocketAdmission(access, Caps(config.max_sockets, config.max_sockets_per_address), watch)


def _fleet() -> Fleet:
    return runtime().fleet


def agents_door() -> Door:
    """What the agents' sockets share."""
    interval_ms = settings.GPU_MONITOR.agent_interval_ms
    interval_seconds = None if interval_ms is None else interval_ms / 1000
    return Door(_fleet, admit_agent, interval_seconds, wrong_handshakes(), WorkBudget())


def websocket_urlpatterns() -> list[URLPattern]:
    """The consumers."""
    for_both = {"hub": _hub, "origins": socket_origins(), "admission": socket_admission()}
    return [
        path("ws/gpu", GpuFeedConsumer.as_asgi(**for_both)),
        path(
            "ws/dashboard",
            DashboardConsumer.as_asgi(**for_both, page_named=live_page_named, hub_of_fleet=_hub_of_fleet),
        ),
        path("ws/agent", AgentConsumer.as_asgi(door=agents_door())),
        re_path(r"", _no_such_socket),  # type: ignore[arg-type]  # Django's types know views only
    ]


def router() -> URLRouter:
    """The WebSocket half of the ASGI application."""
    return URLRouter(websocket_urlpatterns())
