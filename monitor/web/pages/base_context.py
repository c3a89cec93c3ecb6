"""Template context of base.html: addresses, the server's version, and what the viewer may do."""

from __future__ import annotations

import logging
from typing import Any, NamedTuple
from urllib.parse import urlencode

from django.contrib.auth import SESSION_KEY
from django.contrib.auth.models import User
from django.db import DatabaseError
from django.http import HttpRequest
from django.urls import reverse
from django_htmx.middleware import HtmxDetails

from monitor.access.link_paths import link_of_request
from monitor.runtime.process import runtime
from monitor.telemetry.schema import Snapshot
from monitor.web.components.banner import Banner
from monitor.web.components.live_pieces import LivePieces
from monitor.web.components.open_alerts import Level
from monitor.web.components.overview import source_of
from monitor.web.hosts.picker import host_picker

MAY_ACKNOWLEDGE = "monitor.acknowledge_alertevent"
MAY_MUTE = ("monitor.mute_alertrule", "monitor.change_alertrule")
"""Each of these permissions is enough."""
log = logging.getLogger(__name__)


class HtmxRequest(HttpRequest):
    """A request as HtmxMiddleware passes it on."""

    htmx: HtmxDetails


async def base_context(
    request: HttpRequest, live_page: str | None, *, host: str = "", is_of_fleet: bool = False
) -> dict[str, Any]:
    """The context. `live_page`: the name of the page's live content; without one, it opens no socket. `host`: whose content, if
    it is not the host that answers. `is_of_fleet`: it is that of all hosts.
    """
    picker = host_picker(runtime())
    home = reverse("dashboard")
    query = urlencode({"view": live_page, **({"host": host} if host else {})})
    return {
        "home_path": home,
        "socket_path": None if live_page is None else f"{home}ws/dashboard?{query}",
        "version": runtime().version,
        "is_kiosk": is_kiosk(request),
        "picker": picker,
        "fleet_heading": picker.heading if picker and is_of_fleet else "",
        "is_by_link": link_of_request(request) is not None,
        **(await _viewer(request, is_kiosk=is_kiosk(request)))._asdict(),
    }


def is_kiosk(request: HttpRequest) -> bool:
    """Whether the page is for a wall screen: no controls, and everything fits the screen."""
    return request.GET.get("kiosk") == "1"


class Viewer(NamedTuple):
    """The person who views the page."""

    is_known: bool = False
    user_name: str = ""
    has_session: bool = False
    """Can log out here. Someone authenticated by a proxy logs out there."""
    may_acknowledge: bool = False


async def may_mute(user: User) -> bool:
    """Whether a user may mute rules and snooze their alerts."""
    return any([await user.ahas_perm(permission) for permission in MAY_MUTE])


async def _viewer(request: HttpRequest, *, is_kiosk: bool) -> Viewer:
    """The viewer, anonymous while the database does not respond, so that pages keep working. Kiosk pages have no controls.

    Without a session cookie the database is not queried.
    """
    try:
        user = await request.auser()
        if not user.is_authenticated:
            return Viewer()
        may_acknowledge = not is_kiosk and await user.ahas_perm(MAY_ACKNOWLEDGE)
        return Viewer(
            is_known=True,
            user_name=user.get_username(),
            has_session=await request.session.ahas_key(SESSION_KEY),
            may_acknowledge=may_acknowledge,
        )
    except DatabaseError as error:
        log.warning("cannot identify the viewer of %s, the database is not responding: %s", request.path, error)
        return Viewer()


class StillPage:
    """A page without live content: an alert, a refusal. Its header shows the state at the request."""

    def __init__(self, snapshot: Snapshot, title: str) -> None:
        live = LivePieces()
        self.snapshot = snapshot
        self.title = f"{title} · {snapshot.host}"
        self.level: Level = "ok"
        self.source = live.text("source", source_of(snapshot))
        self.banner = Banner(snapshot, live)
